/**
 * A Kubernetes API server over plain HTTP for tests. It holds objects, serves lists (in pages) and watches of them
 * and takes writes like a real one; a script can answer any single request in any other way.
 */

import { createServer, type Server } from "node:http";
import { ApiExchange, type ApiRequest, statusObject } from "./api-exchange.ts";
import { refusalOf, type Target, takeWrite, withoutVersion } from "./api-server-writes.ts";
import { freePort } from "./program.ts";
import { PATIENCE_MS } from "./waiting.ts";

/** An object as a manifest holds it. */
export interface ApiObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string } & Readonly<
    Record<string, unknown>
  >;
  readonly [field: string]: unknown;
}

/** Answers one request in a way of its own. */
export type Step = (exchange: ApiExchange) => void | Promise<void>;
/** A part of the path, or anything about the request. */
export type RequestMatch = string | ((request: ApiRequest) => boolean);

export class ScriptedApiServer {
  /** All requests so far. */
  readonly requests: ApiRequest[] = [];
  /** Plural names that are answered with 404 and 403. */
  readonly missing = new Set<string>();
  readonly denied = new Set<string>();
  /** `create events`, `patch serviceentries/status`: verbs that are answered with 403. */
  readonly deniedVerbs = new Set<string>();
  /** Plural name -> how many objects of it a namespace may have. */
  readonly quotas = new Map<string, number>();
  /** What becomes of an object that is created, as of a Service that is given its address. */
  admit: (object: ApiObject) => ApiObject = (object) => object;
  /** Versions of networking.istio.io that are served; none: the group is missing. */
  istioVersions: readonly string[] = ["v1", "v1beta1", "v1alpha3"];
  /** Bearer tokens that are let in; undefined: everybody. */
  tokens: ReadonlySet<string> | undefined;
  /** How a watch is told that its version is too old. */
  expiredAs: "status" | "event" = "event";
  /** Of all bodies. */
  sentOctets = 0;
  readonly #server: Server;
  readonly #port: number;
  #version = 1000;
  #compactedBefore = 0;
  #uid = 0;
  #isLosing = false;
  #connections = 0;
  readonly #objects = new Map<string, Stored>();
  readonly #rendered = new WeakMap<ApiObject, { readonly apiVersion: string; readonly octets: Buffer }>();
  readonly #events: LoggedEvent[] = [];
  readonly #pagedLists = new Map<string, readonly Stored[]>();
  /** Of large lists: making their octets anew each time has V8 look through all objects again and again. */
  readonly #pages = new Map<string, Buffer>();
  #pagesVersion = 0;
  readonly #watches = new Set<OpenWatch>();
  readonly #scripts: { readonly match: RequestMatch; readonly step: Step }[] = [];
  #unclaimed: ApiRequest[] = [];
  readonly #waiters = new Set<() => void>();

  static async start(): Promise<ScriptedApiServer> {
    const server = new ScriptedApiServer(await freePort());
    await server.comeBack();
    return server;
  }

  private constructor(port: number) {
    this.#port = port;
    this.#server = createServer((message, response) => {
      response.on("error", () => {});
      const exchange = new ApiExchange(message, response, (octets) => {
        this.sentOctets += octets;
      });
      this.#note(exchange.request);
      void this.#answer(exchange);
    });
    this.#server.keepAliveTimeout = 60_000;
    this.#server.on("connection", () => {
      this.#connections += 1;
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Of the newest change. */
  get resourceVersion(): string {
    return String(this.#version);
  }

  /** How many connections were made to it so far. */
  get connections(): number {
    return this.#connections;
  }

  get openWatches(): number {
    return this.#watches.size;
  }

  /** A kubeconfig that leads here. */
  kubeconfig(token = "secret"): string {
    return JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      "current-context": "test",
      contexts: [{ name: "test", context: { cluster: "test", user: "test" } }],
      clusters: [{ name: "test", cluster: { server: this.url, "insecure-skip-tls-verify": true } }],
      users: [{ name: "test", user: { token } }],
    });
  }

  /** Creates or replaces; returns the object as it is now served. */
  apply(object: ApiObject): ApiObject {
    const plural = SERVED[object.kind]?.plural;
    if (plural === undefined) throw new Error(`no kind ${object.kind} here`);
    const key = keyOf(plural, object.metadata.namespace, object.metadata.name);
    const before = this.#objects.get(key)?.object;
    const resourceVersion = String(++this.#version);
    const uid = before?.metadata["uid"] ?? `uid-${++this.#uid}`;
    const creationTimestamp = before?.metadata["creationTimestamp"] ?? "2026-01-01T00:00:00Z";
    const metadata = { creationTimestamp, uid, ...object.metadata, resourceVersion };
    const stored = { ...object, metadata };
    this.#objects.set(key, { plural, object: stored });
    this.#log({ type: before === undefined ? "ADDED" : "MODIFIED", plural, object: stored });
    return stored;
  }

  /** As it is now; undefined: there is none. `kind`: or the plural name. */
  get(kind: string, namespace: string | undefined, name: string): ApiObject | undefined {
    return this.#objects.get(keyOf(SERVED[kind]?.plural ?? kind, namespace, name))?.object;
  }

  /** All of one kind, in the order of their coming. */
  all(kind: string): readonly ApiObject[] {
    const plural = SERVED[kind]?.plural;
    return [...this.#objects.values()].filter((each) => each.plural === plural).map(({ object }) => object);
  }

  remove(kind: string, namespace: string | undefined, name: string): void {
    const plural = SERVED[kind]?.plural ?? kind;
    const key = keyOf(plural, namespace, name);
    const stored = this.#objects.get(key);
    if (stored === undefined) throw new Error(`no object ${key} here`);
    this.#objects.delete(key);
    const metadata = { ...stored.object.metadata, resourceVersion: String(++this.#version) };
    this.#log({ type: "DELETED", plural, object: { ...stored.object, metadata } });
  }

  /** The next request that matches is answered by `step`, in the order of the calls. */
  script(match: RequestMatch, ...steps: readonly Step[]): void {
    for (const step of steps) this.#scripts.push({ match, step });
  }

  /** The next request that matches and that no call returned yet: one that came already, or one that will. */
  async nextRequest(match: RequestMatch): Promise<ApiRequest> {
    for (const deadline = Date.now() + PATIENCE_MS; ; ) {
      const found = this.#unclaimed.find((request) => matches(match, request));
      if (found !== undefined) {
        this.#unclaimed = this.#unclaimed.filter((request) => request !== found);
        return found;
      }
      const restMs = deadline - Date.now();
      if (restMs <= 0) throw new Error(`no request ${match} within ${PATIENCE_MS} ms`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, restMs);
        this.#waiters.add(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  /** All versions up to now are too old from here on. */
  compact(): void {
    this.#compactedBefore = ++this.#version;
    this.#events.length = 0;
    this.#pagedLists.clear();
  }

  /** Something else of the cluster changed. */
  passTime(versions = 1): void {
    this.#version += versions;
  }

  /** What `change` does is in lists, and no watch ever tells of it. */
  lose(change: () => void): void {
    this.#isLosing = true;
    change();
    this.#isLosing = false;
  }

  /** Open watches are told how far they are. */
  bookmark(): void {
    for (const watch of this.#watches) watch.bookmark(this.resourceVersion);
  }

  endWatches(): void {
    for (const { exchange } of this.#watches) exchange.end();
  }

  cutWatches(): void {
    for (const { exchange } of this.#watches) exchange.cut();
  }

  /** Open watches hear nothing any more, and are not ended either; new ones are served. */
  holdWatches(): void {
    for (const watch of this.#watches) watch.isHeld = true;
  }

  /** Nobody listens at the port any more. */
  async goAway(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  /** Listens again, at the same port. */
  async comeBack(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject).listen(this.#port, "127.0.0.1", resolve);
    });
  }

  async close(): Promise<void> {
    if (this.#server.listening) await this.goAway();
  }

  #note(request: ApiRequest): void {
    this.requests.push(request);
    this.#unclaimed.push(request);
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const wake of waiters) wake();
  }

  async #answer(exchange: ApiExchange): Promise<void> {
    const { request } = exchange;
    const at = this.#scripts.findIndex(({ match }) => matches(match, request));
    if (at !== -1) return await this.#scripts.splice(at, 1)[0]!.step(exchange);
    await this.answer(exchange);
  }

  /** As without a script; for a step that only wants to look, or to wait. */
  async answer(exchange: ApiExchange): Promise<void> {
    const { request } = exchange;
    const token = request.authorization?.replace(/^Bearer /, "");
    if (this.tokens !== undefined && !this.tokens.has(token ?? ""))
      return exchange.refuse(401, "Unauthorized");
    if (request.path === `/apis/${ISTIO}`) return this.#discover(exchange);
    if (request.path === `/apis/${DISCOVERY}`) return discoverSlices(exchange);
    const target = targetOf(request.path);
    const { group, version, plural, name, subresource } = target;
    const resource = subresource === "" ? plural : `${plural}/${subresource}`;
    if (this.denied.has(plural) || this.deniedVerbs.has(`${verbOf(request, name)} ${resource}`))
      return exchange.refuse(403, `${resource} is forbidden`, {}, "Forbidden");
    const isServed = Object.values(SERVED).some(
      (each) =>
        each.plural === plural &&
        each.group === group &&
        (group === ISTIO ? this.istioVersions : ["v1"]).includes(version),
    );
    if (!isServed || this.missing.has(plural)) return exchange.respond(404, "404 page not found\n");
    const apiVersion = group === "" ? version : `${group}/${version}`;
    if (request.method !== "GET" || name !== "") await this.#single(exchange, target, apiVersion);
    else if (request.isWatch) this.#watch(exchange, target, apiVersion);
    else this.#list(exchange, target, apiVersion);
  }

  /** Reads or writes one object. */
  async #single(exchange: ApiExchange, target: Target, apiVersion: string): Promise<void> {
    const { request } = exchange;
    const { plural, namespace } = target;
    const body = await exchange.body();
    const name = target.name || nameIn(body);
    const key = keyOf(plural, namespace, name);
    const stored = this.#objects.get(key)?.object;
    const written = takeWrite({ request, target: { ...target, name }, body, stored });
    if (written.kind === "refused") return refusalOf(exchange, written);
    if (written.kind === "read") return exchange.respond(200, { ...written.object, apiVersion });
    if (written.kind === "delete") {
      this.remove(plural, namespace, name);
      return exchange.respond(200, { kind: "Status", apiVersion: "v1", status: "Success" });
    }
    if (stored === undefined) {
      const count = [...this.#objects.values()].filter(
        (each) => each.plural === plural && each.object.metadata.namespace === namespace,
      ).length;
      const most = this.quotas.get(plural) ?? Number.POSITIVE_INFINITY;
      if (count >= most) {
        const message = `${plural} "${name}" is forbidden: exceeded quota: test, requested: count/${plural}=1`;
        return exchange.refuse(403, message, {}, "Forbidden");
      }
    }
    // What changes nothing makes no new version.
    const isSame = stored !== undefined && withoutVersion(stored) === withoutVersion(written.object);
    const object = isSame
      ? stored
      : this.apply(stored === undefined ? this.admit(written.object) : written.object);
    exchange.respond(stored === undefined ? 201 : 200, { ...object, apiVersion });
  }

  #discover(exchange: ApiExchange): void {
    const versions = this.istioVersions.map((version) => ({ groupVersion: `${ISTIO}/${version}`, version }));
    if (versions.length === 0) exchange.respond(404, "404 page not found\n");
    else exchange.respond(200, { kind: "APIGroup", apiVersion: "v1", name: ISTIO, versions });
  }

  #list(exchange: ApiExchange, { plural, namespace }: Target, apiVersion: string): void {
    const { query, path } = exchange.request;
    const isMeant = scopeOf(namespace, query.get("labelSelector"));
    const limit = Number(query.get("limit") ?? 0) || Number.POSITIVE_INFINITY;
    const token = query.get("continue");
    const [version, from] = token === null ? [this.#version, 0] : readToken(token);
    if (version < this.#compactedBefore) {
      exchange.refuse(410, "The provided continue parameter is too old");
      return;
    }
    const page = `${path} ${query.get("labelSelector") ?? ""} ${apiVersion} ${version}.${from}.${limit}`;
    if (version !== this.#pagesVersion) {
      this.#pages.clear();
      this.#pagesVersion = version;
    }
    const known = this.#pages.get(page);
    if (known !== undefined) {
      exchange.open();
      exchange.end(known);
      return;
    }
    const all =
      (token === null ? undefined : this.#pagedLists.get(`${path} ${version}`)) ??
      [...this.#objects.values()].filter((each) => each.plural === plural && isMeant(each.object));
    // All pages are of the moment of the first.
    if (limit < all.length) this.#pagedLists.set(`${path} ${version}`, all);
    const items = all.slice(from, from + limit).map(({ object }) => this.#itemOctets(object, apiVersion));
    const rest = from + limit < all.length ? { continue: `${version}.${from + limit}` } : {};
    const metadata = { resourceVersion: String(version), ...rest };
    const head = JSON.stringify({ kind: "List", apiVersion, metadata }).slice(0, -1);
    const pieces = items.flatMap((item, index) => (index === 0 ? [item] : [COMMA, item]));
    const octets = Buffer.concat([Buffer.from(`${head},"items":[`), ...pieces, Buffer.from("]}")]);
    if (all.length > limit) this.#pages.set(page, octets);
    exchange.open();
    exchange.end(octets);
  }

  /** As it stands in a list; kept, so that a large list costs the server little when it is asked for again. */
  #itemOctets(object: ApiObject, apiVersion: string): Buffer {
    const known = this.#rendered.get(object);
    if (known?.apiVersion === apiVersion) return known.octets;
    const { apiVersion: _apiVersion, kind, ...rest } = object;
    // Lists of Kubernetes' own kinds do not repeat the kind in each item; those of custom resources do.
    const octets = Buffer.from(JSON.stringify(apiVersion === "v1" ? rest : { apiVersion, kind, ...rest }));
    this.#rendered.set(object, { apiVersion, octets });
    return octets;
  }

  #watch(exchange: ApiExchange, { plural, namespace }: Target, apiVersion: string): void {
    const { query } = exchange.request;
    const from = Number(query.get("resourceVersion"));
    if (from < this.#compactedBefore) {
      const message = `too old resource version: ${from} (${this.#compactedBefore})`;
      if (this.expiredAs === "status") {
        exchange.refuse(410, message);
      } else {
        exchange.open();
        void exchange.event("ERROR", statusObject(410, message)).then(() => exchange.end());
      }
      return;
    }
    const watch = new OpenWatch(
      exchange,
      { plural, isMeant: scopeOf(namespace, query.get("labelSelector")) },
      apiVersion,
      () => this.resourceVersion,
    );
    this.#watches.add(watch);
    exchange.onClose(() => {
      watch.close();
      this.#watches.delete(watch);
    });
    for (const event of this.#events)
      if (Number(event.object.metadata["resourceVersion"]) > from) watch.tell(event);
  }

  #log(event: LoggedEvent): void {
    if (this.#isLosing) return;
    this.#events.push(event);
    for (const watch of this.#watches) watch.tell(event);
  }
}

interface Stored {
  readonly plural: string;
  readonly object: ApiObject;
}

interface LoggedEvent extends Stored {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
}

class OpenWatch {
  isHeld = false;
  readonly exchange: ApiExchange;
  readonly #scope: Scope;
  readonly #apiVersion: string;
  readonly #timers: readonly NodeJS.Timeout[];

  constructor(exchange: ApiExchange, scope: Scope, apiVersion: string, version: () => string) {
    this.exchange = exchange;
    this.#scope = scope;
    this.#apiVersion = apiVersion;
    const spanMs = Number(exchange.request.query.get("timeoutSeconds") ?? 1800) * 1000;
    this.#timers = [
      setTimeout(() => this.bookmark(version()), Math.max(0, spanMs - BOOKMARK_BEFORE_END_MS)),
      setTimeout(() => this.isHeld || exchange.end(), spanMs),
    ];
    exchange.open();
  }

  tell({ type, plural, object }: LoggedEvent): void {
    if (plural !== this.#scope.plural || !this.#scope.isMeant(object) || this.isHeld) return;
    void this.exchange.event(type, { ...object, apiVersion: this.#apiVersion });
  }

  bookmark(resourceVersion: string): void {
    if (this.isHeld || this.exchange.request.query.get("allowWatchBookmarks") !== "true") return;
    void this.exchange.event("BOOKMARK", { apiVersion: this.#apiVersion, metadata: { resourceVersion } });
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
  }
}

/** What a watch is of. */
interface Scope {
  readonly plural: string;
  readonly isMeant: (object: ApiObject) => boolean;
}

/** Of selectors it knows `name in (a,b)` and `name=a`. */
function scopeOf(namespace: string | undefined, selector: string | null): Scope["isMeant"] {
  const [, label = "", one, many] = /^([^ =]+)(?:=(.*)| in \((.*)\))$/.exec(selector ?? "") ?? [];
  const values = new Set(many?.split(",") ?? (one === undefined ? [] : [one]));
  return ({ metadata }) => {
    if (namespace !== undefined && metadata.namespace !== namespace) return false;
    const labels = (metadata["labels"] ?? {}) as Readonly<Record<string, string>>;
    return selector === null || values.has(labels[label] ?? "");
  };
}

function discoverSlices(exchange: ApiExchange): void {
  const versions = [{ groupVersion: `${DISCOVERY}/v1`, version: "v1" }];
  exchange.respond(200, { kind: "APIGroup", apiVersion: "v1", name: DISCOVERY, versions });
}

const DISCOVERY = "discovery.k8s.io";
const ISTIO = "networking.istio.io";
const SERVED: Readonly<Record<string, { readonly group: string; readonly plural: string }>> = {
  ServiceEntry: { group: ISTIO, plural: "serviceentries" },
  WorkloadEntry: { group: ISTIO, plural: "workloadentries" },
  Namespace: { group: "", plural: "namespaces" },
  Pod: { group: "", plural: "pods" },
  Node: { group: "", plural: "nodes" },
  Service: { group: "", plural: "services" },
  Event: { group: "", plural: "events" },
  EndpointSlice: { group: "discovery.k8s.io", plural: "endpointslices" },
  Lease: { group: "coordination.k8s.io", plural: "leases" },
};
const COMMA = Buffer.from(",");
/** As the real one does. */
const BOOKMARK_BEFORE_END_MS = 2000;

function keyOf(plural: string, namespace: string | undefined, name: string): string {
  return `${plural}/${namespace ?? ""}/${name}`;
}

/** Of a path of the API; all "" where it is none. */
function targetOf(path: string): Target {
  const [, group = "", version = "", rest = ""] = /^\/(?:api|apis\/([^/]+))\/([^/]+)\/(.+)$/.exec(path) ?? [];
  const steps = rest.split("/").map(decodeURIComponent);
  const isNamespaced = steps[0] === "namespaces" && steps.length > 2;
  const [plural = "", name = "", subresource = ""] = isNamespaced ? steps.slice(2) : steps;
  return { group, version, namespace: isNamespaced ? steps[1] : undefined, plural, name, subresource };
}

function verbOf({ method, isWatch }: ApiRequest, name: string): string {
  if (method === "GET") return isWatch ? "watch" : name === "" ? "list" : "get";
  return { POST: "create", PUT: "update", PATCH: "patch", DELETE: "delete" }[method] ?? method;
}

function nameIn(body: unknown): string {
  const name = (body as Partial<ApiObject> | undefined)?.metadata?.name;
  return typeof name === "string" ? name : "";
}

function readToken(token: string): readonly [number, number] {
  const [version, from] = token.split(".").map(Number);
  return [version ?? 0, from ?? 0];
}

function matches(match: RequestMatch, request: ApiRequest): boolean {
  return typeof match === "string" ? request.path.includes(match) : match(request);
}
