import { expect } from "chai";
import fc from "fast-check";
import type { EndpointSlice } from "../../src/mesh/objects.ts";
import type { DesiredEndpoint } from "../../src/publisher/desired-endpoint.ts";
import { publishedPorts } from "../../src/publisher/names.ts";
import { MAX_ENDPOINTS_PER_SLICE, planSlices } from "../../src/publisher/slice-plan.ts";
import { afterWrites, endpoint, port } from "./fixture.ts";

const PORTS = publishedPorts([port(80), port(443, "tls", "TLS")]);
const plan = (endpoints: readonly DesiredEndpoint[], present: readonly EndpointSlice[] = []) =>
  planSlices("se-x", PORTS, endpoints, present);
const grow = (endpoints: readonly DesiredEndpoint[], present: readonly EndpointSlice[] = []) =>
  afterWrites("se-x", present, plan(endpoints, present));
const kinds = (endpoints: readonly DesiredEndpoint[], present: readonly EndpointSlice[]) =>
  plan(endpoints, present).map(({ kind }) => kind);
const many = (count: number, reached: readonly number[] = [8000, 8443]) =>
  Array.from({ length: count }, (_, at) => endpoint(`10.1.${at >> 8}.${at & 255}`, reached));

describe("slices", () => {
  it("are one for each family and each mapping of ports", () => {
    const slices = grow([
      endpoint("10.0.0.1", [8000, 8443]),
      endpoint("10.0.0.2", [8000, 8443]),
      endpoint("10.0.0.3", [80, 443]),
      endpoint("2001:db8::1", [8000, 8443]),
    ]);
    const told = slices.map(({ addressType, ports, endpoints }) => [
      addressType,
      ports.map(({ name, number }) => `${name}=${number}`).join(),
      endpoints.map(({ address }) => address).join(),
    ]);
    expect(told).to.have.deep.members([
      ["IPv4", "http=8000,tls=8443", "10.0.0.1,10.0.0.2"],
      ["IPv4", "http=80,tls=443", "10.0.0.3"],
      ["IPv6", "http=8000,tls=8443", "2001:db8::1"],
    ]);
  });

  it("leave out a port that the endpoint does not have, and an endpoint without any", () => {
    const [only, ...rest] = grow([endpoint("10.0.0.1", [8000, 0]), endpoint("10.0.0.2", [0, 0])]);
    expect(rest).to.deep.equal([]);
    expect(only!.ports.map(({ name }) => name)).to.deep.equal(["http"]);
    expect(only!.endpoints).to.have.length(1);
  });

  it("hold at most 100 endpoints each", () => {
    const slices = grow(many(250));
    expect(slices.map(({ endpoints }) => endpoints.length)).to.deep.equal([100, 100, 50]);
  });

  it("change alone where an endpoint comes, goes, or is another", () => {
    const before = grow(many(250));
    expect(kinds([...many(250), endpoint("10.9.9.9", [8000, 8443])], before)).to.deep.equal(["apply"]);
    expect(kinds(many(250).slice(1), before)).to.deep.equal(["apply"]);
    const [first, ...rest] = many(250);
    expect(kinds([{ ...first!, isReady: false }, ...rest], before)).to.deep.equal(["apply"]);
    expect(kinds([...many(250)].reverse(), before)).to.deep.equal([]);
  });

  it("put what is new where something is taken away anyhow", () => {
    const before = grow(many(250));
    const [, ...rest] = many(250);
    expect(kinds([...rest, endpoint("10.9.9.9", [8000, 8443])], before)).to.deep.equal(["apply"]);
  });

  it("are given other ports in place when all endpoints move to another one", () => {
    const before = grow(many(3, [8000, 8443]));
    const writes = plan(many(3, [9000, 8443]), before);
    expect(writes.map(({ kind }) => kind)).to.deep.equal(["apply"]);
    const [after] = afterWrites("se-x", before, writes);
    expect(after!.ports[0]!.number).to.equal(9000);
    expect(after!.endpoints).to.have.length(3);
  });

  it("stay, empty, when their family has no endpoint any more", () => {
    const before = grow([...many(150), endpoint("2001:db8::1", [8000, 8443])]);
    const after = grow([endpoint("2001:db8::1", [8000, 8443])], before);
    expect(after.map(({ addressType, endpoints }) => `${addressType} ${endpoints.length}`)).to.have.members([
      "IPv4 0",
      "IPv6 1",
    ]);
    expect(plan([endpoint("2001:db8::1", [8000, 8443])], after)).to.deep.equal([]);
    expect(kinds([...many(1), endpoint("2001:db8::1", [8000, 8443])], after)).to.deep.equal(["apply"]);
  });

  it("are done with after one plan, hold exactly what is wanted, and never too much, whatever was there", () => {
    const one = fc.record({
      address: fc.oneof(
        fc.nat({ max: 400 }).map((n) => `10.0.${n >> 8}.${n & 255}`),
        fc.nat({ max: 60 }).map((n) => `2001:db8::${(n + 1).toString(16)}`),
      ),
      reached: fc.constantFrom([8000, 8443], [80, 443], [8000, 0], [80, 8443]),
      isReady: fc.boolean(),
    });
    const set = fc
      .uniqueArray(one, {
        selector: ({ address, reached }) => `${address} ${reached}`,
        maxLength: 320,
        size: "max",
      })
      .map((all) => all.map(({ address, reached, isReady }) => endpoint(address, reached, { isReady })));
    fc.assert(
      fc.property(fc.array(set, { minLength: 1, maxLength: 4 }), (steps) => {
        let slices: readonly EndpointSlice[] = [];
        for (const wanted of steps) {
          slices = grow(wanted, slices);
          const held = slices.flatMap(({ ports, endpoints }) =>
            endpoints.map(
              ({ address, isReady }) =>
                `${address} ${isReady} ${ports.map(({ name, number }) => `${name}${number}`).sort()}`,
            ),
          );
          const meant = wanted.map(
            ({ address, isReady, reached }) =>
              `${address} ${isReady} ${PORTS.flatMap(({ name }, at) => (reached[at] === 0 ? [] : [`${name}${reached[at]}`])).sort()}`,
          );
          expect([...held].sort()).to.deep.equal([...meant].sort());
          for (const { endpoints } of slices) expect(endpoints.length).to.be.at.most(MAX_ENDPOINTS_PER_SLICE);
          expect(plan([...wanted].reverse(), slices)).to.deep.equal([]);
        }
      }),
      { numRuns: 60 },
    );
  });

  it("take one write more than what must be touched, at most, for one endpoint that comes", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 350 }),
        fc.array(fc.nat({ max: 349 }), { maxLength: 200 }),
        (count, gone) => {
          const left = grow(
            many(count).filter((_, at) => !gone.includes(at)),
            grow(many(count)),
          );
          const wanted = [
            ...many(count).filter((_, at) => !gone.includes(at)),
            endpoint("10.9.9.9", [8000, 8443]),
          ];
          expect(plan(wanted, left)).to.have.length(1);
        },
      ),
      { numRuns: 40 },
    );
  });
});
