# The server and its workers: one image. The chat page is built in the first stage.
FROM node:22-slim AS page
WORKDIR /page
COPY orchestrator/ui/package.json orchestrator/ui/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY orchestrator/ui/ ./
RUN npm run build

FROM python:3.12-slim AS server
RUN apt-get update \
 && apt-get install -y --no-install-recommends libgl1 libegl1 libfontconfig1 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --create-home committee \
 && mkdir /data && chown committee:committee /data
RUN pip install --no-cache-dir uv
WORKDIR /app
ENV UV_PROJECT_ENVIRONMENT=/app/.venv UV_PYTHON_DOWNLOADS=never UV_COMPILE_BYTECODE=1 PYTHONUNBUFFERED=1
COPY pyproject.toml uv.lock hatch_build.py README.md LICENSE NOTICE ./
RUN uv sync --frozen --no-dev --no-install-project
COPY committee/ committee/
COPY rag/ rag/
COPY tools/ tools/
COPY orchestrator/ orchestrator/
COPY --from=page /page/dist orchestrator/ui/dist
RUN uv sync --frozen --no-dev
ENV PATH=/app/.venv/bin:$PATH DATA_DIR=/data HOST=0.0.0.0
USER committee
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
CMD ["committee", "serve"]
