/** The base manifests fit together and fit the program: names, references, ports, settings, permissions. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { type LoadedSettings, loadSettings } from "../../src/config/load-settings.ts";
import { SettingsError } from "../../src/config/settings-error.ts";
import { WATCHED } from "../../src/watcher/watched-kinds.ts";
import { ROOT } from "../support/program.ts";
import { baseObject, baseObjects } from "./base-objects.ts";

const NAME = "serviceentry-dns";
/** What the program takes for queries in flight after the lameduck time. */
const DRAIN_SECONDS = 5;

describe("the base manifests", () => {
  const pod = () => baseObject("Deployment").spec!.template;
  const container = () => {
    const { containers, initContainers } = pod().spec!;
    expect(containers).to.have.length(1);
    expect(initContainers).to.equal(undefined);
    return containers[0]!;
  };
  const portNamed = (name: unknown) => container().ports!.find((port) => port.name === name);

  it("use one name for everything, in one namespace", () => {
    const clusterWide = ["Namespace", "ClusterRole", "ClusterRoleBinding"];
    for (const { kind, metadata } of baseObjects()) {
      expect(metadata.name, kind).to.equal(kind === "ResourceQuota" ? "critical-pods" : NAME);
      expect(metadata.labels, kind).to.include({ app: NAME });
      expect(metadata.namespace, kind).to.equal(clusterWide.includes(kind) ? undefined : NAME);
    }
    expect(container().name).to.equal(NAME);
    // A namespace comes before what is in it: kubectl applies them in their order.
    expect(baseObjects()[0]!.kind).to.equal("Namespace");
  });

  it("name an image of this version", () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
    expect(container().image).to.equal(`${NAME}:${version}`);
  });

  it("select the pods of the Deployment", () => {
    const { selector, template } = baseObject("Deployment").spec!;
    expect(template.metadata!.labels).to.include(selector.matchLabels);
    expect(selector.matchLabels).to.deep.equal({ app: NAME });
    expect(baseObject("Service").spec!.selector).to.deep.equal(selector.matchLabels);
    expect(baseObject("PodDisruptionBudget").spec!.selector).to.deep.equal(selector);
    const spread = template.spec!.topologySpreadConstraints!;
    expect(spread.map(({ topologyKey }) => topologyKey)).to.deep.equal([
      "kubernetes.io/hostname",
      "topology.kubernetes.io/zone",
    ]);
    for (const constraint of spread) {
      expect(constraint.labelSelector).to.deep.equal(selector);
      // With DoNotSchedule the third pod of a rolling update could find no place.
      expect(constraint.whenUnsatisfiable).to.equal("ScheduleAnyway");
    }
  });

  it("lead from the Service's port 53 to a port of the container, over UDP and TCP", () => {
    const { ports, clusterIP } = baseObject("Service").spec!;
    expect(ports!.map(({ port, protocol }) => `${port} ${protocol}`)).to.deep.equal(["53 UDP", "53 TCP"]);
    for (const { targetPort, protocol } of ports!) {
      expect(portNamed(targetPort)?.protocol, String(targetPort)).to.equal(protocol);
    }
    expect(clusterIP).to.equal(undefined);
  });

  describe("the settings", () => {
    const POD_IPS = ["10.244.1.7", "fd00:10:244::7"];

    /** As the container starts the program, in a pod with this address. */
    function load(
      podIP: string,
      settingsText = baseObject("ConfigMap").data!["settings.yaml"]!,
    ): LoadedSettings {
      const [command, ...argv] = container().args!;
      expect(command).to.equal("serve");
      const env: Record<string, string> = { KUBERNETES_SERVICE_HOST: "10.96.0.1" };
      for (const { name, value, valueFrom } of container().env!) {
        const byField: Readonly<Record<string, string>> = {
          "status.podIP": podIP,
          "metadata.namespace": baseObject("Namespace").metadata!.name!,
        };
        env[name] = value ?? byField[valueFrom!.fieldRef!.fieldPath]!;
        expect(env[name], name).to.be.a("string");
      }
      const [mount] = container().volumeMounts!;
      const volume = pod().spec!.volumes!.find(({ name }) => name === mount!.name);
      expect(volume?.configMap?.name).to.equal(baseObject("ConfigMap").metadata!.name);
      expect(mount!.subPath).to.equal(undefined);
      const files: Readonly<Record<string, string>> = {
        [`${mount!.mountPath}/settings.yaml`]: settingsText,
        "/etc/resolv.conf": "nameserver 10.96.0.10\nsearch a.svc.cluster.local\noptions ndots:5\n",
      };
      const readFile = (path: string) => {
        const text = files[path];
        if (text === undefined) throw new Error(`ENOENT: there is no ${path}`);
        return text;
      };
      return loadSettings({ argv, env, readFile, localAddresses: () => [podIP] });
    }

    for (const podIP of POD_IPS) {
      it(`are accepted in a pod with the address ${podIP}`, () => {
        const { settings, configPath } = load(podIP);
        expect(configPath).to.equal("/etc/serviceentry-dns/settings.yaml");
        expect(settings.listen.map(({ address, port }) => `${address} ${port}`)).to.deep.equal([
          "0.0.0.0 53",
          ":: 53",
        ]);
        // A pod without IPv6 is no error.
        expect(settings.listen.every(({ isDefault }) => isDefault)).to.equal(true);
        expect(settings.admin).to.include({ address: podIP, port: 9153 });
        expect(settings.upstreams).to.deep.equal([{ address: "10.96.0.10", port: 53 }]);
      });
    }

    it("read the cluster, not a folder", () => {
      const { sources, settings } = load(POD_IPS[0]!);
      expect(sources.source).to.include({ kind: "file" });
      expect(baseObject("ConfigMap").data!["settings.yaml"]).to.match(/^source: kubernetes$/m);
      expect(settings.source).not.to.match(/[./]/);
    });

    it("are rejected with a mistake in them, so that being accepted means something", () => {
      expect(() => load(POD_IPS[0]!, "sourse: kubernetes\n")).to.throw(SettingsError, /sourse.*source/s);
    });

    it("fit the ports of the container", () => {
      const { settings } = load(POD_IPS[0]!);
      for (const { port } of settings.listen) {
        expect(portNamed("dns")?.containerPort).to.equal(port);
        expect(portNamed("dns-tcp")?.containerPort).to.equal(port);
      }
      expect(portNamed("admin")?.containerPort).to.equal(settings.admin.port);
      for (const probe of ["startupProbe", "livenessProbe", "readinessProbe"] as const) {
        expect(container()[probe]!.httpGet!.port, probe).to.equal("admin");
      }
      expect(container().readinessProbe!.httpGet!.path).to.equal("/readyz");
      expect(container().livenessProbe!.httpGet!.path).to.equal("/healthz");
      // The API endpoint is for kubectl port-forward alone.
      expect(settings.api.address).to.equal("127.0.0.1");
      expect(container().ports!.some(({ containerPort }) => containerPort === settings.api.port)).to.equal(
        false,
      );
    });

    it("leave time to stop: lameduck, what is in flight, and more", () => {
      const { settings } = load(POD_IPS[0]!);
      expect(settings.lameduck).to.equal(15);
      expect(pod().spec!.terminationGracePeriodSeconds).to.be.greaterThan(settings.lameduck + DRAIN_SECONDS);
    });
  });

  it("open port 53 to a user without privileges, and give nothing else", () => {
    const { securityContext, hostNetwork, serviceAccountName } = pod().spec!;
    expect(securityContext).to.deep.equal({
      runAsNonRoot: true,
      runAsUser: 65532,
      runAsGroup: 65532,
      seccompProfile: { type: "RuntimeDefault" },
      sysctls: [{ name: "net.ipv4.ip_unprivileged_port_start", value: "53" }],
    });
    expect(container().securityContext).to.deep.equal({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    });
    expect(hostNetwork).to.equal(undefined);
    expect(serviceAccountName).to.equal(baseObject("ServiceAccount").metadata!.name);
    const labels = baseObject("Namespace").metadata!.labels;
    expect(labels).to.include({ "pod-security.kubernetes.io/enforce": "restricted" });
  });

  it("replace pods one by one, and never have fewer than before", () => {
    const { replicas, strategy } = baseObject("Deployment").spec!;
    expect(replicas).to.equal(2);
    expect(strategy!.rollingUpdate).to.deep.equal({ maxUnavailable: 0, maxSurge: 1 });
    expect(baseObject("PodDisruptionBudget").spec!.maxUnavailable).to.equal(1);
  });

  it("limit memory, not the processor", () => {
    expect(container().resources).to.deep.equal({
      requests: { cpu: "100m", memory: "128Mi" },
      limits: { memory: "768Mi" },
    });
  });

  it("have a quota where the priority class asks for one", () => {
    const [scope] = baseObject("ResourceQuota").spec!.scopeSelector!.matchExpressions!;
    expect(scope).to.deep.equal({
      scopeName: "PriorityClass",
      operator: "In",
      values: [pod().spec!.priorityClassName],
    });
  });

  it("keep our pods out of every mesh, and off their own answers", () => {
    expect(pod().metadata!.labels).to.include({
      "sidecar.istio.io/inject": "false",
      "istio.io/dataplane-mode": "none",
    });
    expect(baseObject("Namespace").metadata!.labels).to.include({
      "istio-injection": "disabled",
      "istio.io/dataplane-mode": "none",
    });
    expect(pod().spec!.dnsPolicy).to.equal("ClusterFirst");
    expect(pod().spec!.dnsConfig).to.equal(undefined);
  });

  it("keep room for the snapshot, where nothing else is written", () => {
    const [, mount, ...others] = container().volumeMounts!;
    expect(mount).to.deep.equal({ name: "snapshot", mountPath: "/var/lib/serviceentry-dns" });
    expect(others).to.deep.equal([]);
    const volume = pod().spec!.volumes!.find(({ name }) => name === mount!.name);
    expect(volume?.emptyDir?.sizeLimit).to.equal("512Mi");
  });

  it("let in what the container listens for, from everywhere, and nothing else", () => {
    const { podSelector, policyTypes, ingress } = baseObject("NetworkPolicy").spec!;
    expect(podSelector).to.deep.equal(baseObject("Deployment").spec!.selector);
    expect(policyTypes).to.deep.equal(["Ingress"]);
    const open = ingress!.flatMap(({ ports, _from }) => {
      expect(_from).to.equal(undefined);
      return ports!.map(({ port, protocol }) => `${port} ${protocol}`);
    });
    const listening = container().ports!.map(({ containerPort, protocol }) => `${containerPort} ${protocol}`);
    expect(open.sort()).to.deep.equal(listening.sort());
  });

  it("allow to read what the program watches and to write Events, and nothing else", () => {
    const rules = baseObject("ClusterRole").rules!;
    const pairs = (wanted: readonly string[]) =>
      rules
        .filter(({ verbs }) => verbs.join() === wanted.join())
        .flatMap(({ apiGroups, resources }) =>
          apiGroups!.flatMap((group) => resources!.map((resource) => `${group}/${resource}`)),
        );
    // What publishing reads besides is granted by its component.
    const { Service, EndpointSlice, ...base } = WATCHED;
    expect([Service.plural, EndpointSlice.plural]).to.deep.equal(["services", "endpointslices"]);
    const watched = Object.values(base).map(({ group, plural }) => `${group}/${plural}`);
    expect([...pairs(["get", "list", "watch"])].sort()).to.deep.equal(watched.sort());
    expect(pairs(["create", "patch"])).to.deep.equal(["/events"]);
    const verbs = new Set(rules.map((rule) => rule.verbs.join()));
    expect([...verbs].sort()).to.deep.equal(["create,patch", "get,list,watch"]);
    const { roleRef, subjects } = baseObject("ClusterRoleBinding");
    expect(roleRef).to.deep.equal({ apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: NAME });
    expect(subjects).to.deep.equal([{ kind: "ServiceAccount", name: NAME, namespace: NAME }]);
    expect(baseObject("ServiceAccount").automountServiceAccountToken).to.equal(false);
    expect(pod().spec!.automountServiceAccountToken).to.equal(true);
  });

  it("allow one Lease, in our own namespace", () => {
    const [create, others, ...more] = baseObject("Role").rules!;
    expect(more).to.deep.equal([]);
    for (const { apiGroups, resources } of [create!, others!]) {
      expect([apiGroups, resources]).to.deep.equal([["coordination.k8s.io"], ["leases"]]);
    }
    // A rule with names allows no creation: what is created has no name in its path.
    expect(create).to.deep.include({ verbs: ["create"] });
    expect(others).to.deep.include({ verbs: ["get", "update"], resourceNames: [NAME] });
    const { roleRef, subjects } = baseObject("RoleBinding");
    expect(roleRef).to.deep.equal({ apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: NAME });
    expect(subjects).to.deep.equal([{ kind: "ServiceAccount", name: NAME, namespace: NAME }]);
  });
});
