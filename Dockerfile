# Two small images: core (--target core, all roles and commands) and the edge on workerd (--target edge).
# Neither runs as root, and neither contains a compiler, an npm cache or tests.

FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm install --no-save --omit=dev --ignore-scripts
COPY vite.config.ts tsconfig.json ./
COPY contract contract
COPY core core
COPY tools tools
COPY edge edge
COPY dashboard dashboard
RUN node tools/build.ts
RUN cp "$(node -p "require('workerd').default")" /usr/local/bin/workerd

# Without the optional packages: Node and Postgres for `npm start`, the binaries of Vite and workerd.
FROM node:24-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm install --no-save --omit=dev --omit=optional --ignore-scripts

FROM node:24-bookworm-slim AS core
ENV NODE_ENV=production
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
COPY package.json ./
COPY migrations migrations
COPY contract contract
COPY edge edge
COPY core core
COPY cli cli
COPY local local
COPY tools tools
COPY --from=build /app/dist/dashboard dist/dashboard
USER node
EXPOSE 4000
CMD ["node", "--max-semi-space-size=8", "--max-old-space-size=256", "core/main.ts"]

FROM debian:bookworm-slim AS edge
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY --from=build /usr/local/bin/workerd /usr/local/bin/workerd
COPY --from=build /app/dist/edge/edge.js ./
COPY edge/entry/workerd.capnp ./
USER nobody
EXPOSE 8787
CMD ["workerd", "serve", "workerd.capnp"]
