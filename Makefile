# Every target sets up .venv by itself; a fresh clone needs python3 (3.11 or newer) and make.
PYTHON ?= python3
# Another Python (make test PYTHON=python3.14) has an environment of its own.
ifeq ($(origin PYTHON),file)
VENV := .venv
else
VENV := .venv-$(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
endif
RUN := $(VENV)/bin/python
PIP := $(RUN) -m pip --quiet --disable-pip-version-check
# The library alone; and what development needs besides.
INSTALLED := $(VENV)/.installed
READY := $(VENV)/.ready
VERSION ?= 6.6.1
# The release that the overlay answers for in `make upstream`; empty: the present one.
GENERATION ?= $(VERSION)
JOBS ?= 2
PORT ?= 8888

.PHONY: help demo test test-portable check upstream parity own-words autobahn bench docs wheel \
	release-check clean

help:
	@echo "make demo      a Tornado chat, unmodified; its native twin; a live tree: on port $(PORT)"
	@echo "make test      the test suite (PYTHON=python3.14: on that one, 3.11 to 3.15)"
	@echo "make test-portable  the same without what only Linux has"
	@echo "make check     ruff, and mypy for Linux, macOS and Windows"
	@echo "make upstream  Tornado's own test suite over the overlay (VERSION=6.6.1, 5.1.1, 4.5.3)"
	@echo "make parity    how much of Tornado's public API there is (VERSION=...)"
	@echo "make own-words places where our source reads like Tornado's (of three releases)"
	@echo "make autobahn  the Autobahn websocket suite, all cases (PYTHON2=python2.7; 30 minutes)"
	@echo "make bench     speed beside upstream Tornado and other servers (ARGS=\"--only hello --quick\")"
	@echo "make docs      build the documentation into site/"
	@echo "make wheel     build the wheel into dist/"
	@echo "make release-check  sdist and wheel into dist/, all that has to hold before an upload"

$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	@# Without ensurepip (Debian has it in a package of its own) venv leaves half an environment.
	@$(RUN) -m pip --version >/dev/null 2>&1 || { rm -rf $(VENV) && $(PYTHON) -m venv $(VENV); } || \
		{ rm -rf $(VENV); echo "$(PYTHON) cannot make virtual environments: install its venv module" \
		"(Debian, Ubuntu: apt install python3-venv)" >&2; exit 1; }
	$(PIP) install --editable .
	@touch $@

$(READY): $(INSTALLED)
	$(PIP) install --editable '.[dev]'
	@touch $@

demo: $(INSTALLED)
	$(RUN) -m examples.demo --port=$(PORT)

test: $(READY)
	$(RUN) -m pytest $(ARGS)

# Without epoll, SO_REUSEPORT, Unix sockets and fork: what other systems run.
test-portable: $(READY)
	PYTHONPATH=$(CURDIR)/tests/portable $(RUN) -m pytest $(ARGS)

check: $(READY)
	$(RUN) -m ruff check .
	$(RUN) -m mypy
	$(RUN) -m mypy --platform darwin --cache-dir .mypy_cache/darwin
	$(RUN) -m mypy --platform win32 --cache-dir .mypy_cache/win32

upstream: $(READY)
	$(RUN) tests/upstream/run.py $(VERSION) --generation=$(GENERATION) --jobs $(JOBS) \
		--progress --expect $(ARGS)

parity: $(READY)
	$(RUN) tests/upstream/api/parity.py $(VERSION) --setup "import compat" $(ARGS)

own-words: $(READY)
	$(RUN) tests/upstream/own_words.py

autobahn: $(READY)
	for door in native compat; do for side in server client; do \
		$(RUN) tests/autobahn/run.py $$side $$door $(ARGS) || exit 1; done; done

# Upstream Tornado and other servers, to compare with, in an environment of their own.
$(VENV)/peers/.ready: benchmarks/peers/requirements.txt
	$(PYTHON) -m venv $(VENV)/peers
	$(VENV)/peers/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

bench: $(READY) $(VENV)/peers/.ready
	$(RUN) benchmarks/side_by_side.py --python $(VENV)/peers/bin/python $(ARGS)

docs: $(INSTALLED)
	$(PIP) install --editable '.[docs]'
	$(RUN) -m mkdocs build --strict

wheel: $(INSTALLED)
	$(PIP) wheel --no-deps --wheel-dir dist .

# What builds and looks at a release, in an environment of its own.
$(VENV)/release/.ready:
	$(PYTHON) -m venv $(VENV)/release
	$(VENV)/release/bin/python -m pip install --quiet --disable-pip-version-check build twine
	@touch $@

release-check: $(VENV)/release/.ready
	$(VENV)/release/bin/python -m tests.release dist

clean:
	rm -rf .venv .venv-* dist site
