# Each target is one line that calls a tool; `make help` lists them.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help serve train results test check format bench load compose proto lock ray
help:   ## list the targets
	@sed -nE 's/^([a-z]+):[^#]*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18
serve: .venv/training   ## start the gateway at once; train, export and load the models that are missing
	$(BIN)/python -m deploy.local $(ARGS)
train: .venv/training   ## train and export every model that is not up to date (ARGS="--only digits-cnn,prose-lstm --jobs 2")
	$(BIN)/python -m deploy.train $(ARGS)
results: .venv/training   ## write training/RESULTS.md: what every job reached, from its newest version
	$(BIN)/python -m export results $(ARGS)
test: .venv/dev .venv-clients/clients .venv-triton/triton .venv-load/load   ## run the tests
	$(BIN)/python -m pytest $(ARGS)
ray: .venv/dev .venv-ray/ray   ## run the tests on a Ray cluster of two nodes
	$(BIN)/python -m pytest -m ray tests/ray $(ARGS)
check: .venv/dev   ## format, lint, types, import contracts, generated code
	$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/lint-imports && $(BIN)/python -m proto.generate --check
format: .venv/dev   ## format the code and apply the safe lint fixes
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .
bench: .venv/dev   ## compare the gateway with a bare session.run loop
	$(BIN)/python -m loadtests.bench $(ARGS)
load: .venv/dev .venv-load/load   ## load a running gateway with locust (ARGS="--slo p99=50ms,errors=0.1%")
	$(BIN)/python -m loadtests load $(ARGS)
compose:   ## build the images and start gateway, training job and Prometheus in containers
	docker compose --file deploy/compose.yaml up --build --detach $(ARGS)
proto: .venv/dev   ## generate pb/ from proto/
	$(BIN)/python -m proto.generate
lock: .venv/dev   ## lock the dependencies with hashes
	requirements/lock $(ARGS)

.venv/% .venv-clients/% .venv-triton/% .venv-load/% .venv-ray/%: requirements/%.txt
	$(PYTHON) -m venv $(@D) && $(@D)/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $< && touch $@
