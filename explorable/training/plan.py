"""Learning-rate plans: warm-up, plateau and decay, in one round or two."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Plan:
    """How long and how fast to train.

    steps:       optimizer steps in total.
    lr, muon_lr: peak learning rates of AdamW and of Muon: `warmup` steps up to them, and over the last `decay` share of
                 a round down to zero.
    restart:     the step at which a second round begins, with half the rates (Loshchilov and Hutter 2017).
    ema_decay:   of the moving average of the weights, which is what is shipped.
    save_every:  seconds between two states on disk.
    checkpoints: steps after which the state is kept for good.
    """

    steps: int
    lr: float = 1e-3
    muon_lr: float = 0.02
    warmup: int = 200
    decay: float = 0.35
    restart: int | None = None
    ema_decay: float = 0.999
    weight_decay: float = 0.01
    grad_clip: float = 1.0
    save_every: float = 45.0
    checkpoints: tuple[int, ...] = ()
    seed: int = 0

    def step_seed(self, step: int) -> int:
        """Return the seed set before a step's batch is made, and again before its loss is computed.

        The loss should draw no random numbers on the CPU: from the same seed, they would be the batch's again.
        """
        return self.seed * 1_000_003 + step

    def lr_scale(self, step: int) -> float:
        """Return the learning rates of a step as a share of their peaks."""
        begin, end = self.round_of(step)
        within, decay_start, peak = step - begin, self.decay_start(step), 0.5 if begin else 1.0
        if within < self.warmup:
            return peak * (within + 1) / self.warmup
        return peak if step < decay_start else peak * (end - step) / (end - decay_start)

    def round_of(self, step: int) -> tuple[int, int]:
        """Return the first step of the round that `step` is in, and the first one after it."""
        if self.restart is None or self.restart >= self.steps:
            return 0, self.steps
        return (self.restart, self.steps) if step >= self.restart else (0, self.restart)

    def decay_start(self, step: int = 0) -> int:
        """Return the first step of the decay in the round that `step` is in."""
        begin, end = self.round_of(step)
        return begin + int((end - begin) * (1 - self.decay))

    def can_resume(self, step: int, steps: int) -> bool:
        """Return whether a training planned for `steps` in total had, up to `step`, this plan's learning rates."""
        other = replace(self, steps=steps)
        before_decay = step <= min(other.decay_start(step), self.decay_start(step))
        same_round = other.round_of(step) == self.round_of(step)
        return before_decay or same_round or step == steps == self.restart
