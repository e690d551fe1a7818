# bhr_api: build with `docker build -t bhr-api .`, run with a PostgreSQL of your own or the embedded one:
#   docker run -p 8000:8000 -e BHR_DATABASE_URL=postgresql://user:password@host/database bhr-api
#   docker run -p 8000:8000 -v bhr-data:/data bhr-api
FROM python:3.13-slim AS build
WORKDIR /build
COPY requirements.lock ./
RUN python -m venv /opt/bhr-api \
    && /opt/bhr-api/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY alembic alembic
COPY src src
RUN /opt/bhr-api/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.13-slim
RUN useradd --create-home --uid 10001 bhr && install -d -o bhr -g bhr -m 0700 /data
COPY --from=build /opt/bhr-api /opt/bhr-api
USER bhr
ENV PATH=/opt/bhr-api/bin:$PATH BHR_HOST=0.0.0.0 BHR_DATA_DIR=/data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health/ready', timeout=2)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["bhr-api"]
CMD ["serve"]
