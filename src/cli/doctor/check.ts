/** One thing that `doctor` looked at, and what came of it. */

export type Status = "ok" | "warning" | "fault" | "skipped";

export interface Check {
  /** Stable, for scripts. */
  readonly id: string;
  readonly status: Status;
  /** What was seen; one sentence without a full stop. */
  readonly message: string;
  /** What to change; "" where nothing is to be changed. */
  readonly remedy: string;
}

export const good = (id: string, message: string): Check => ({ id, status: "ok", message, remedy: "" });
export const skipped = (id: string, message: string): Check => ({
  id,
  status: "skipped",
  message,
  remedy: "",
});
export const warning = (id: string, message: string, remedy: string): Check => ({
  id,
  status: "warning",
  message,
  remedy,
});
export const fault = (id: string, message: string, remedy: string): Check => ({
  id,
  status: "fault",
  message,
  remedy,
});
