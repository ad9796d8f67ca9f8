/** The log of the control plane: one JSON line per event on standard output. The only file that knows pino. */

import { type DestinationStream, type Logger as PinoLogger, pino, stdTimeFunctions } from "pino";
import type { LogLevel } from "../config/settings.ts";
import type { LogFields, Logger } from "../runtime.ts";

export interface LevelledLogger extends Logger {
  readonly level: LogLevel;
  /** From now on lines below `level` are not written. */
  setLevel(level: LogLevel): void;
}

/** For lines whose writer did not say what part of the program it is. */
const DEFAULT_COMPONENT = "dns";

/**
 * A line is `{"level":"info","time":"2026-01-31T12:00:00.000Z","component":"dns.server", …fields, "msg":"…"}`.
 * No process id and no host name: the container runtime knows both. An `Error` in a field is written with type,
 * message and stack. Lines are written at once, so that none is lost when the process ends.
 */
export function createLogger(level: LogLevel, destination?: DestinationStream): LevelledLogger {
  const options = {
    level,
    base: null,
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { err: pino.stdSerializers.err, error: pino.stdSerializers.err },
  };
  const lines: PinoLogger = pino(options, destination ?? pino.destination({ dest: 1, sync: true }));
  let current = level;
  return {
    debug: (fields, message) => {
      // Of each host there is one, and hardly ever is it wanted.
      if (lines.isLevelEnabled("debug")) lines.debug(componentFirst(fields), message);
    },
    info: (fields, message) => lines.info(componentFirst(fields), message),
    warn: (fields, message) => lines.warn(componentFirst(fields), message),
    error: (fields, message) => lines.error(componentFirst(fields), message),
    get level() {
      return current;
    },
    setLevel(next) {
      current = next;
      lines.level = next;
    },
  };
}

function componentFirst({ component = DEFAULT_COMPONENT, ...rest }: LogFields): LogFields {
  return { component, ...rest };
}
