# The service with the web app (docs/service.md). In a clone:
#   docker build -t hierattn .
#   docker run --read-only --tmpfs /tmp -p 127.0.0.1:8000:8000 hierattn
# To serve a bundle of your own instead of the released ones, add
#   -v "$PWD/model.onnx:/model.onnx:ro" -e HIERATTN_MODEL=/model.onnx
FROM node:22-slim AS web
WORKDIR /app
COPY apps/web/package.json apps/web/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY apps/web ./
RUN npm run build

FROM python:3.11-slim AS wheel
WORKDIR /src
COPY . .
COPY --from=web /app/dist src/hierattn/serve/static
RUN pip install --no-cache-dir build && python -m build --wheel

FROM python:3.11-slim
COPY --from=wheel /src/dist/*.whl /tmp/wheel/
COPY constraints.txt /tmp/wheel/
RUN pip install --no-cache-dir -c /tmp/wheel/constraints.txt "$(ls /tmp/wheel/*.whl)[serve]" && rm -r /tmp/wheel \
 && useradd --system --no-create-home hierattn
USER hierattn
EXPOSE 8000
HEALTHCHECK CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz', timeout=3)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["hierattn", "serve", "--host", "0.0.0.0"]
