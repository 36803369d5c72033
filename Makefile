# Each target sets up .venv by itself: Python 3.11 or newer and make are all that it needs.
PYTHON ?= python3
bin := .venv/bin
export OMP_NUM_THREADS ?= 1

.PHONY: demo test check lectures site lint bench
.DELETE_ON_ERROR:

demo: .venv/instructor # the whole course in small: release, a class of 12, grades, feedback, report
	$(bin)/autograder demo

test: lint # everything, on two cores
	$(bin)/pytest -n 2 --dist loadgroup

check: lint # the fast part, in under three minutes
	$(bin)/pytest -n 2 --dist loadgroup -m "not slow"

lectures: export CI = true # no progress bars, which no stored output has
lectures: .venv/dev # run every lecture and compare it with its stored outputs
	$(bin)/pytest -n 2 --dist loadfile --nbval --nbval-sanitize-with lectures/nbval_sanitize.cfg \
		--nbval-cell-timeout 600 --timeout 900 lectures

site: .venv/dev # the course as pages for a browser, in build/site/html/
	rm -rf build/site
	$(bin)/python site/build.py build/site

bench: .venv/dev # the references against PyTorch's own, kernels on a GPU, grading against nbgrader's; STUDENTS=30
	$(bin)/python -m tests.bench.layers
	$(bin)/python -m tests.bench.efficiency
	$(bin)/python -m tests.bench.experts
	$(bin)/python -m tests.bench.gpu
	$(bin)/python -m tests.bench.cluster --students $(or $(STUDENTS),30)
	$(bin)/python -m tests.bench.grading --students $(or $(STUDENTS),30)
	$(bin)/python -m tests.bench.recording --students 300

lint: .venv/dev # style and types
	$(bin)/ruff check
	$(bin)/ruff format --check
	$(bin)/mypy

.venv/instructor .venv/dev: .venv/%: pyproject.toml constraints.txt | $(bin)/pip
	$(bin)/pip install -c constraints.txt -e '.[$*]'
	@touch .venv/instructor $@ # [dev] includes [instructor]

$(bin)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
		"Lookback needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12")'
	@$(PYTHON) -c 'import ensurepip, venv' || { echo 'Python cannot make virtual environments here;' \
		'on Debian and Ubuntu: apt install python3-venv' >&2; exit 1; }
	$(PYTHON) -m venv .venv
