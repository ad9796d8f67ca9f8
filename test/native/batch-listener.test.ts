/** UDP in batches, under the cases of every back end. */

import { datagramCases } from "../server/datagram-cases.ts";
import { openListener, withSystemCalls } from "./fixtures.ts";

describe("UDP in batches", () => {
  withSystemCalls((calls) => {
    datagramCases((stage, asked, localAddresses) => openListener(calls(), stage, asked, localAddresses));
  });
});
