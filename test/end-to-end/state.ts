/** What the stand-in for kubectl must know about the world that it is used in. */

export const STATE_VARIABLE = "END_TO_END_STATE";

export interface State {
  /** The folder with one file per object; not read where there is an API server. */
  readonly objects: string;
  /** The command line of the real kubectl, with a kubeconfig. */
  readonly kubectl: readonly string[] | undefined;
  /** The file with what the server has logged. */
  readonly log: string;
  /** Where the commands of busybox, and curl, are links. */
  readonly busyboxFolder: string;
  /** By name of the pod: what stands before a command that runs in it. */
  readonly pods: Readonly<Record<string, readonly string[]>>;
}
