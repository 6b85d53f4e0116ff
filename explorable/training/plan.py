"""How long and how fast to train: warm-up, peak and fall of the learning rates, in one round or two."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Plan:
    """How long and how fast to train.

    steps:    optimizer steps in all.
    lr, muon: peak learning rates of AdamW and of Muon; `warmup` steps up to them, and down to zero over the
              last `fall` share.
    restart:  the step at which a second round begins, warmed up to half the rates (Loshchilov and Hutter 2017).
    average:  decay of the moving average of the weights: what is shipped.
    save_every: seconds between two states on disk.
    """

    steps: int
    lr: float = 1e-3
    muon: float = 0.02
    warmup: int = 200
    fall: float = 0.35
    restart: int | None = None
    average: float = 0.999
    weight_decay: float = 0.01
    clip: float = 1.0
    save_every: float = 45.0
    seed: int = 0

    def dice(self, step: int) -> int:
        """The seed of what is thrown at a step: for its batch, and once more for its loss, which should therefore throw
        no dice of its own on the CPU."""
        return self.seed * 1_000_003 + step

    def share(self, step: int) -> float:
        """What share of the peak rates `step` is taken at."""
        begin, end = self.round_of(step)
        within, fall, peak = step - begin, self.fall_starts(step), 0.5 if begin else 1.0
        if within < self.warmup:
            return peak * (within + 1) / self.warmup
        return peak if step < fall else peak * (end - step) / (end - fall)

    def round_of(self, step: int) -> tuple[int, int]:
        """The first step of the round that `step` is in, and the first one after it."""
        if self.restart is None or self.restart >= self.steps:
            return 0, self.steps
        return (self.restart, self.steps) if step >= self.restart else (0, self.restart)

    def fall_starts(self, step: int = 0) -> int:
        """The first step of the fall in the round that `step` is in."""
        begin, end = self.round_of(step)
        return begin + int((end - begin) * (1 - self.fall))

    def goes_on_from(self, step: int, steps: int) -> bool:
        """Whether a training planned for `steps` in all has, at `step`, come the way that this plan goes too."""
        other = replace(self, steps=steps)
        unfallen = step <= min(other.fall_starts(step), self.fall_starts(step))
        same = other.round_of(step) == self.round_of(step)
        return unfallen or same or step == steps == self.restart
