# The tool with a software Vulkan driver, for CI, and for machines that are not Linux:
#   docker build -t mali-delegate-repro .
#   docker run --rm -v "$PWD:/work" mali-delegate-repro check models
FROM debian:12-slim
COPY . /opt/mali-delegate-repro
RUN bash /opt/mali-delegate-repro/ci/container.sh
ENV PATH=/opt/venv/bin:$PATH REPRO_CACHE=/cache
VOLUME /cache
WORKDIR /work
ENTRYPOINT ["repro"]
CMD ["--help"]
