# Servers and workers of Opspawn, built from this checkout: docker build -t opspawn .
# Your agents go on top, where they find @opspawn/agentkit: see ops-docs/how-to/deploy-a-fleet.md.
FROM node:26-slim

WORKDIR /opspawn
ENV NODE_ENV=production
# prlimit bounds the memory of tools in processes of their own; it is in the image's util-linux.

COPY package.json package-lock.json .npmrc ./
COPY packages/agentkit/package.json packages/agentkit/
COPY packages/sdk/package.json packages/sdk/
COPY packages/ops-core/package.json packages/ops-core/
COPY packages/cli/package.json packages/cli/
# The image brings its Node; the platform packages with another one are optional dependencies.
RUN npm ci --omit=dev --omit=optional --no-audit --no-fund && npm cache clean --force

COPY packages packages
RUN mkdir app .opspawn && chown node:node app .opspawn

USER node
EXPOSE 7070
ENTRYPOINT ["node", "/opspawn/packages/cli/src/main.ts"]
CMD ["server"]
