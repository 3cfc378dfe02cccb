# Everything a newcomer types. `make` alone lists the targets.
.DEFAULT_GOAL := help
.PHONY: help setup run demo test check format bench clients clean

BIN := .venv/bin

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: ## install everything into .venv and build the chat page
	@scripts/setup.sh

run: setup ## serve the API and the chat page on http://127.0.0.1:8000
	@$(BIN)/committee serve

demo: setup ## one sentence becomes a film: ask, watch the progress, get the file
	@$(BIN)/committee film "Make a 20-second 1080p 30fps film about monarch butterflies with interpolation and motion smoothing. Title: Butterflies."

test: ## the whole test suite
	@scripts/setup.sh --dev
	@$(BIN)/pytest

check: ## formatting, lint, types, import contracts
	@scripts/setup.sh --dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(BIN)/python scripts/build_ui.py --check

format: ## format the code
	@scripts/setup.sh --dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: ## simulate the committee, and measure the server's own overhead beside a byte relay and LiteLLM
	@scripts/setup.sh --dev
	$(BIN)/python -m benchmarks.committee simulate
	$(BIN)/python -m benchmarks.overhead --with-litellm --check

clients: ## point real coding agents and client libraries at a server (installs them under .clients)
	@scripts/setup.sh --dev
	@$(BIN)/python -m tests.clients

clean: ## remove what setup made (not your data)
	rm -rf .venv orchestrator/ui/dist orchestrator/ui/node_modules .mypy_cache .ruff_cache .pytest_cache
