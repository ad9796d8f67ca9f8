/** Why a client gets what `chooseAnswer` gives it, in words for those who write entries. Pure. */

import type { AnswerMode } from "../mesh/objects.ts";
import { assertNever } from "../runtime.ts";
import type { ClientClass } from "../table/host-record.ts";
import type { Choice } from "./choice.ts";
import type { HostPlan } from "./host-plan.ts";

/** `winners`: merged entries, oldest first, not empty. The end of a sentence. */
export function choiceReason(
  winners: readonly HostPlan[],
  mode: AnswerMode,
  client: ClientClass,
  kind: Choice["kind"],
): string {
  switch (kind) {
    case "virtual":
      return virtualReason(mode, client);
    case "real":
      return realReason(winners, mode, client);
    case "published":
      return "the host is published as a Service, which leads clients outside the mesh to the real addresses and ports";
    case "forward":
      return `${whyNotVirtual(winners, mode, client)}, and there are no real addresses: ${whyNotReal(winners[0]!)}`;
    default:
      return assertNever(kind);
  }
}

function virtualReason(mode: AnswerMode, client: ClientClass): string {
  if (mode === "virtual") return "virtual addresses are given to every client that can reach them";
  switch (client) {
    case "unknown":
      return "the entry's own spec.addresses are given to a client that is no known pod";
    case "outside":
      return "the pod is outside the mesh and there are no real addresses, so the entry's own spec.addresses are given";
    case "sidecar":
      return "the pod's sidecar knows the entry's own spec.addresses and resolves nothing for the host";
    case "redirectedIpv4":
    case "redirectedIpv6":
    case "redirectedDual":
      return "the node's data plane takes the pod's traffic, so the pod gets virtual addresses of its own families";
    default:
      return assertNever(client);
  }
}

function realReason(winners: readonly HostPlan[], mode: AnswerMode, client: ClientClass): string {
  if (mode === "auto" && client === "outside") return "a pod outside the mesh gets real addresses";
  return `${whyNotVirtual(winners, mode, client)}, so real addresses are given`;
}

/** Without a full stop. */
function whyNotVirtual(winners: readonly HostPlan[], mode: AnswerMode, client: ClientClass): string {
  if (mode === "resolved") return "virtual addresses are not wanted";
  const virtuals = winners.flatMap(({ virtual }) => virtual ?? []);
  if (virtuals.length === 0) return "there is no virtual address";
  const isWritten = virtuals.some((virtual) => virtual.isWritten);
  switch (client) {
    case "unknown":
      return isWritten
        ? "a client that is no known pod gets spec.addresses only where no names are resolved"
        : "an allocated virtual address is of use inside the mesh only, and a client that is no known pod counts as outside";
    case "outside":
      return "an allocated virtual address is of use inside the mesh only, and the pod is outside";
    case "sidecar":
      return isWritten
        ? "the pod's sidecar resolves the host through this server, so a virtual address would lead it to itself"
        : "an allocated virtual address would lead the pod's sidecar, which resolves through this server, to itself";
    case "redirectedIpv4":
    case "redirectedIpv6":
    case "redirectedDual":
      return "the virtual addresses are of a family that the pod does not have";
    default:
      return assertNever(client);
  }
}

function whyNotReal({ answerClass, host }: HostPlan): string {
  switch (answerClass) {
    case "static":
      return "resolution STATIC has neither endpoints nor a workloadSelector";
    case "none":
      return "resolution NONE means whatever address the client already has";
    case "dynamic":
      return "resolution DYNAMIC_DNS leaves the lookup to the mesh";
    case "itself":
      return `the wildcard ${host} has no name that could be resolved, and the entry no endpoints`;
    case "selected":
    case "names":
      return "none can be used";
    default:
      return assertNever(answerClass);
  }
}
