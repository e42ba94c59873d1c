FROM python:3.13-slim-trixie AS build
WORKDIR /build

# The installer comes from the lock too, with its hashes.
COPY requirements.lock requirements-runtime.lock ./
RUN awk '/^[^ ]/ { wanted = /^uv==/ } wanted' requirements.lock > uv.lock \
    && pip install --no-cache-dir --require-hashes --requirement uv.lock

# The packages change less often than the code, so they are a layer of their own.
RUN python -m venv --without-pip /opt/whopays \
    && uv pip install --no-cache --python /opt/whopays --compile-bytecode --require-hashes --requirement requirements-runtime.lock

COPY pyproject.toml README.md LICENSE ./
COPY audit audit
COPY cli cli
COPY db db
COPY domain domain
COPY embedded embedded
COPY schemas schemas
COPY service service
COPY workers workers
# What uv leaves behind could be written by anybody.
RUN uv build --no-cache --wheel --require-hashes --build-constraints requirements.lock --out-dir dist . \
    && uv pip install --no-cache --python /opt/whopays --compile-bytecode --no-deps dist/*.whl \
    && rm --force /opt/whopays/.lock


FROM python:3.13-slim-trixie
COPY --from=build /opt/whopays /opt/whopays
ENV PATH="/opt/whopays/bin:$PATH" \
    PYTHONUNBUFFERED=1 \
    WHOPAYS_METRICS_ADDRESS=0.0.0.0 \
    WHOPAYS_METRICS_PORT=9100

# A number, so that an orchestrator can tell that it is not root.
USER 10001:10001
WORKDIR /tmp

# Metrics and health; questions, of `whopays serve`.
EXPOSE 9100 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 CMD ["whopays", "health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["whopays"]
CMD ["run"]
