/**
 * The Grafana dashboard as a value, made of its rows. Job and instance are chosen on the page, so it fits any way of
 * scraping.
 */

import {
  LegendDisplayMode,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from "@grafana/grafana-foundation-sdk/common";
import {
  type Dashboard,
  DashboardBuilder,
  DashboardCursorSync,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  RowBuilder,
  VariableRefresh,
} from "@grafana/grafana-foundation-sdk/dashboard";
import { DataqueryBuilder } from "@grafana/grafana-foundation-sdk/prometheus";
import { PanelBuilder } from "@grafana/grafana-foundation-sdk/timeseries";
import { type Panel, PREFIX, ROWS } from "./dashboard-rows.ts";

export function dashboard(): Dashboard {
  const builder = new DashboardBuilder("serviceentry-dns")
    .uid("serviceentry-dns")
    .description(
      "DNS answers for the hosts of Istio ServiceEntries: what is asked, from where it is answered, how it is kept fresh.",
    )
    .tags(["dns", "istio", "serviceentry-dns"])
    .readonly()
    .time({ from: "now-1h", to: "now" })
    .refresh("30s")
    .timezone("browser")
    .tooltip(DashboardCursorSync.Crosshair)
    .withVariable(new DatasourceVariableBuilder("datasource").label("Data source").type("prometheus"))
    .withVariable(choice("job", "Job", `label_values(${PREFIX}build_info, job)`))
    .withVariable(choice("instance", "Instance", `label_values(${PREFIX}build_info{job=~"$job"}, instance)`));
  for (const { title, panels } of ROWS) {
    builder.withRow(new RowBuilder(title));
    for (const each of panels) builder.withPanel(panelOf(each, panels.length));
  }
  return builder.build();
}

/** Of Grafana's grid, which has 24 columns. */
const PANEL_HEIGHT = 8;
const COLUMNS = 24;

function panelOf({ title, description, unit, isStacked, queries }: Panel, inRow: number): PanelBuilder {
  const panel = new PanelBuilder()
    .title(title)
    .description(description)
    .unit(unit)
    .min(0)
    .datasource({ type: "prometheus", uid: "$datasource" })
    .height(PANEL_HEIGHT)
    .span(COLUMNS / (inRow % 4 === 0 ? 4 : 3))
    .fillOpacity(isStacked === true ? 30 : 5)
    .legend(
      new VizLegendOptionsBuilder()
        .displayMode(LegendDisplayMode.Table)
        .showLegend(true)
        .calcs(["lastNotNull", "max"]),
    )
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi));
  if (isStacked === true) panel.stacking(new StackingConfigBuilder().mode(StackingMode.Normal));
  queries.forEach(({ expression, legend }, index) => {
    panel.withTarget(
      new DataqueryBuilder()
        .expr(expression)
        .legendFormat(legend)
        .refId(String.fromCharCode(65 + index)),
    );
  });
  return panel;
}

function choice(name: string, label: string, query: string): QueryVariableBuilder {
  return new QueryVariableBuilder(name)
    .label(label)
    .datasource({ type: "prometheus", uid: "$datasource" })
    .query(query)
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .multi(true)
    .includeAll(true)
    .allValue(".+")
    .current({ text: "All", value: "$__all" });
}
