# Two commands do all the set-up on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# What is never imported is never compiled, which is most of it.
INSTALL = $(BIN)/python -m pip install --quiet --no-compile

.PHONY: demo embedded test test-all check docs bench clean

demo: $(VENV)/.installed
	$(BIN)/safetypairs demo

PYTEST = $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# All but what is marked `thorough`: more environments, engines and sizes of what a sample is here.
test: $(VENV)/.installed $(VENV)/.models
	$(PYTEST) -m 'not thorough'

test-all: $(VENV)/.installed $(VENV)/.models
	$(PYTEST)

check: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The pages as a site, dist/site/index.html. Strict: a broken link or an unknown name of the package ends it.
docs: $(VENV)/.installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# Files that begin with _ are shared by the benchmarks. Every benchmark takes --smoke, for a run at toy size.
bench: $(VENV)/.installed $(VENV)/.models
	for file in benchmarks/[!_]*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --upgrade pip
	$(INSTALL) --constraint constraints.txt --editable '.[dev]'
	touch $@

# What the models run on, and Ray, for the tests alone. By its exact version, PyTorch may be had as a CPU build.
# torchvision may not, and one of CUDA fails to import beside it: it stays in a folder of its own, for the tests that
# mend that. So does xgrammar, without the triton that it brings for GPUs: with it and without it are two tests.
$(VENV)/.models: $(VENV)/.installed
	$(INSTALL) $$(grep '^torch==' constraints.txt)
	$(INSTALL) --constraint constraints.txt --editable '.[dev,gpu,hosted,opennsfw,ray,torchmetrics,train]' geh trl webdataset
	$(INSTALL) --no-deps --target $(VENV)/torchvision $$(grep '^torchvision==' constraints.txt)
	$(INSTALL) --no-deps --target $(VENV)/xgrammar $$(grep -E '^(xgrammar|apache-tvm-ffi)==' constraints.txt)
	touch $@

# The set that the package carries (docs/loading.md): VERSION is made and compared with the one that is there, or put there.
# FROM is the version that a new one adds to; DATE is the day of its release, in seconds since 1970 (2026-11-29).
VERSION = 1.0.0
DATE = 1795910400
SCRATCH = dist/embedded
embedded: $(VENV)/.installed
	rm -rf $(SCRATCH) && mkdir -p $(SCRATCH)
	$(BIN)/safetypairs build signs --out $(SCRATCH)/run --pairs 270 --set size=256 --set controls=false
	test -z "$(FROM)" || cp -r embedded/$(FROM)/safetypairs $(SCRATCH)
	cd $(SCRATCH) && SOURCE_DATE_EPOCH=$(DATE) $(abspath $(BIN))/safetypairs publish run ./safetypairs --version $(VERSION)
	if [ -e embedded/$(VERSION) ]; then diff -r $(SCRATCH)/safetypairs embedded/$(VERSION)/safetypairs && echo same bytes; \
	else mkdir -p embedded/$(VERSION) && mv $(SCRATCH)/safetypairs embedded/$(VERSION); fi
	sha256sum embedded/$(VERSION)/safetypairs/manifest.parquet

clean:
	rm -rf $(VENV) safetypairs-demo
