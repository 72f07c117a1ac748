# Training on processors: corpora, tokenizers, runs, measures and exports.
#
#     docker build -f deploy/train.Dockerfile -t massivetext-train .
#     docker run --rm -v "$PWD:/data" massivetext-train train --preset=gpt_mini \
#         --data=corpus/ --tokenizer=tok/ --run_dir=runs/1
FROM python:3.11-slim AS build
WORKDIR /src
COPY setup.cfg pyproject.toml constraints.txt README.md LICENSE ./
COPY massivetext_keras ./massivetext_keras
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir -c constraints.txt \
        ".[corpus,evaluation,records,train-tokenizers]"

FROM python:3.11-slim
COPY --from=build /opt/venv /opt/venv
# What is measured of this machine's products is kept where the run is.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    TF_CPP_MIN_LOG_LEVEL=2 \
    XDG_CACHE_HOME=/data/.cache
WORKDIR /data
# A run saves after the step, and exits with 143.
STOPSIGNAL SIGTERM
ENTRYPOINT ["massivetext"]
CMD ["--help"]
