/** What a running server can be told to do at its API endpoint, by POST: each path, its parameters, its reply. */

import { type HttpReply, type HttpRoutes, jsonReply } from "./http-endpoint.ts";

export interface ApiActions {
  /** Asks upstream again for what the host is resolved by. Its names; undefined: there is no such own host. */
  readonly refresh: (host: string) => readonly string[] | undefined;
  /** Drops what is cached for the name, for all below `*.suffix`, or for `.` everything. False: that is no name. */
  readonly flushCache: (name: string) => boolean;
  /** Returns the level before; undefined: the level is not known. */
  readonly setLogLevel: (level: string) => string | undefined;
}

/** `POST /api/refresh?host=`, `POST /api/cache/flush?name=`, `POST /api/log-level?level=`. */
export function actionRoutes({ refresh, flushCache, setLogLevel }: ApiActions): HttpRoutes {
  return {
    "/api/refresh": withParameter("host", (host) => {
      const names = refresh(host);
      if (names === undefined) return jsonReply({ error: `no entry's host is ${host}` }, 404);
      return jsonReply({ host, names });
    }),
    "/api/cache/flush": withParameter("name", (name) => {
      if (!flushCache(name)) return jsonReply({ error: `${name} is no name` }, 400);
      return jsonReply({ name });
    }),
    "/api/log-level": withParameter("level", (level) => {
      const before = setLogLevel(level);
      if (before === undefined) return jsonReply({ error: `${level} is no log level` }, 400);
      return jsonReply({ level, before });
    }),
  };
}

/** Names longer than the longest name of DNS are none. */
const MOST_CHARACTERS = 255;

function withParameter(name: string, act: (value: string) => HttpReply): HttpRoutes[string] {
  return (query) => {
    const values = query.getAll(name);
    const [value] = values;
    if (value === undefined || value === "" || values.length > 1 || value.length > MOST_CHARACTERS)
      return jsonReply({ error: `the parameter ${name} is needed, once` }, 400);
    return act(value);
  };
}
