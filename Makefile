# Everything runs in .venv, which the first `make lab` or `make test` makes.
#
#   PYTHON        the interpreter that makes .venv                 (python3)
#   INSTALL_ARGS  more arguments for pip install, for example
#                 INSTALL_ARGS="-r binder/requirements.txt" for the CPU build of torch
#   LAB_ARGS      more arguments for jupyter lab                   (--no-browser, --port=9000)
#   PYTEST_ARGS   more arguments for pytest                        (-x, -k stage, -m "not slow")
#   WORKERS       how many tests run at once                       (2; 0: one after another, in one process)

PYTHON ?= python3
WORKERS ?= 2
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help lab test notebooks lint clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile

lab: .venv/lab.stamp  ## open JupyterLab on the contents of the notebooks
	$(BIN)/jupyter trust notebooks/*.ipynb  # or the explorable of a cell that is run would be gone when the page is reloaded
	$(BIN)/jupyter lab $(LAB_ARGS) notebooks/index.ipynb

test: .venv/test.stamp  ## run every test: pytest, the notebooks, the linter, the type checker
	$(BIN)/pytest -n $(WORKERS) --dist loadfile $(PYTEST_ARGS)
	OMP_NUM_THREADS=1 EXPLORABLE_ANSWERS="$(CURDIR)/tests/notebook_answers.json" \
		$(BIN)/pytest -n $(WORKERS) --dist loadfile --nbval notebooks --nbval-sanitize-with tests/nbval.cfg
	$(BIN)/ruff check
	$(BIN)/mypy

notebooks: .venv/test.stamp  ## run the notebooks and keep what they print, without widgets
	$(BIN)/jupyter nbconvert --to notebook --execute --inplace --ExecutePreprocessor.store_widget_state=False \
		--ExecutePreprocessor.record_timing=False notebooks/*.ipynb
	-$(BIN)/python tests/strip_views.py notebooks/*.ipynb

lint: .venv/test.stamp  ## run the linter and the type checker alone
	$(BIN)/ruff check
	$(BIN)/mypy

clean:  ## remove .venv, caches and build products
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis lab.log
	find explorable tests notebooks \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +

# A stamp is older than pyproject.toml when the dependencies may have changed; only then pip runs again.
.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/lab.stamp: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install $(INSTALL_ARGS) -e '.[lab]'
	touch $@

.venv/test.stamp: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install $(INSTALL_ARGS) -e '.[lab,test]'
	touch $@ .venv/lab.stamp
