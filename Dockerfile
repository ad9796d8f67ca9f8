# The image: built with npm; it runs without npm, without a shell and without root, from a read-only file system.
#   docker build -t serviceentry-dns:0.1.0 .
# Nothing in it depends on the processor but the base image and one optional package, so one machine builds for all:
#   docker buildx build --platform linux/amd64,linux/arm64 -t REGISTRY/serviceentry-dns:0.1.0 --push .

# For docker build --build-arg, to pin digests or to use a mirror.
ARG BUILD_IMAGE=docker.io/library/node:24-trixie-slim
ARG BASE_IMAGE=gcr.io/distroless/nodejs24-debian13:nonroot

FROM --platform=$BUILDPLATFORM $BUILD_IMAGE AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src src
RUN npm run build

# With koffi for the processor of the image, without the Node.js that the packages bring: the base image has its own.
FROM --platform=$BUILDPLATFORM $BUILD_IMAGE AS modules
ARG TARGETARCH
WORKDIR /modules
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --omit=dev --os=linux --libc=glibc --cpu=$(echo $TARGETARCH | sed s/amd64/x64/)
RUN rm -rf node_modules/node-linux-* node_modules/.bin
# More than half of their octets: types, source maps, pages, and add-ons for another runtime than Node.js.
RUN find node_modules -type f '(' -name '*.ts' -o -name '*.map' -o -name '*.md' ')' -delete \
 && find node_modules -type d -name prebuilds -prune -exec rm -r '{}' +

FROM $BASE_IMAGE
LABEL org.opencontainers.image.title="serviceentry-dns" \
      org.opencontainers.image.description="DNS proxy that answers the hosts of Istio ServiceEntries" \
      org.opencontainers.image.licenses="Apache-2.0"
WORKDIR /app
COPY LICENSE package.json ./
COPY --from=modules /modules/node_modules node_modules
COPY --from=build /build/dist dist
ENV NODE_ENV=production
# The base image's nonroot, as a number: the kubelet's runAsNonRoot cannot judge a name.
USER 65532:65532
# The program's defaults; the manifests set port 53, which takes a sysctl of the pod.
EXPOSE 1053/udp 1053/tcp 9153/tcp
ENTRYPOINT ["/nodejs/bin/node", "--single-threaded-gc", "--max-semi-space-size=4", "/app/dist/main.js"]
CMD ["serve"]
