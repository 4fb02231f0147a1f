# Two stages: wheels are built where there is a compiler, and run where there is none.
FROM python:3.12-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY config config
COPY audio audio
COPY gateway gateway
RUN python -m venv /opt/talkpath && /opt/talkpath/bin/pip install --no-cache-dir .

FROM python:3.12-slim
# One folder is written to: records, journals and recordings. The root file system may be read-only.
RUN useradd --system --uid 10001 --home-dir /var/lib/talkpath --create-home talkpath
COPY --from=build /opt/talkpath /opt/talkpath
ENV PATH=/opt/talkpath/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /var/lib/talkpath
USER talkpath
VOLUME /var/lib/talkpath
EXPOSE 8080
# SIGTERM drains: running calls finish within server.drain_timeout; give the container at least as long to stop.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ.get('TALKPATH_PORT', '8080') + '/health/ready', timeout=2)"]
ENTRYPOINT ["talkpath"]
CMD ["serve", "--config", "/etc/talkpath/talkpath.yaml"]
