// Holds a dashboard against Grafana's own types: every panel against those of its kind, every query against those of Prometheus.
//
// Reads the dashboard from standard input, takes a node_modules folder with @grafana/schema, grafana-schema-10 and typescript, and
// writes a JSON list of what the compiler says. Literals, so that a property that no type has is a mistake, too.

"use strict";

const fs = require("node:fs");
const path = require("node:path");

const [, , modules] = process.argv;
const ts = require(path.join(modules, "typescript"));

const PANEL_CFG = "@grafana/schema/dist/esm/raw/composable";

const TYPES = `
import type { Dashboard, FieldColor, FieldConfig, Panel, RowPanel, VariableModel } from "@grafana/schema";
import type { Options as StatOptions } from "${PANEL_CFG}/stat/panelcfg/x/StatPanelCfg_types.gen";
import type { FieldConfig as TimeSeriesField, Options as TimeSeriesOptions }
  from "${PANEL_CFG}/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";
// The newer package has no types of a data source's queries any more.
import type { PrometheusDataQuery }
  from "grafana-schema-10/dist/esm/raw/composable/prometheus/dataquery/x/PrometheusDataQuery_types.gen";

// As JSON has it: the value of an enum where the type has the enum.
type Json<T> =
  T extends string ? \`\${T}\`
  : T extends number ? (\`\${T}\` extends \`\${infer N extends number}\` ? N : T)
  : T extends (infer Item)[] ? Json<Item>[]
  : T extends object ? { [Key in keyof T]: Json<T[Key]> }
  : T;

interface Override {
  matcher: { id: "byName" | "byRegexp"; options: string };
  properties: { id: "color"; value: FieldColor }[];
}

// What is there of these is needed, and of a type that the package leaves open.
type Chart<Kind, Options, Custom> =
  Omit<Panel, "type" | "options" | "fieldConfig" | "targets" | "datasource">
  & Required<Pick<Panel, "id" | "title" | "description" | "gridPos">>
  & {
    type: Kind;
    datasource: { type: "prometheus"; uid: "\${datasource}" };
    options: Options;
    fieldConfig: { defaults: Omit<FieldConfig, "custom"> & { unit: string; custom?: Custom }; overrides: Override[] };
    targets: (PrometheusDataQuery & { datasource: { type: "prometheus"; uid: "\${datasource}" } })[];
  };

type Variable =
  | (VariableModel & { type: "datasource"; query: "prometheus" })
  | (VariableModel & { type: "query"; query: string });

interface Kinds {
  row: Json<RowPanel>;
  stat: Json<Chart<"stat", StatOptions, never>>;
  timeseries: Json<Chart<"timeseries", TimeSeriesOptions, TimeSeriesField>>;
}

// Mistakes that Grafana passes over in silence. A type that takes one is not what it was thought to be.
// @ts-expect-error
void ({ refres: "15s" } satisfies Partial<Json<Dashboard>>);
// @ts-expect-error
void ({ sort: 9 } satisfies Partial<Json<Variable>>);
// @ts-expect-error
void ({ colourMode: "value" } satisfies Partial<Kinds["stat"]["options"]>);
// @ts-expect-error
void ({ mode: "relative" } satisfies Partial<Kinds["stat"]["fieldConfig"]["defaults"]["thresholds"]>);
// @ts-expect-error
void ({ showPoints: "seldom" } satisfies Kinds["timeseries"]["fieldConfig"]["defaults"]["custom"]);
// @ts-expect-error
void ({ legend: "canary" } satisfies Partial<Kinds["timeseries"]["targets"][number]>);
// @ts-expect-error
void ({ uid: "prometheus" } satisfies Partial<Kinds["timeseries"]["datasource"]>);
`;

function source(dashboard) {
  const typed = (value, type) => `void (${JSON.stringify(value)} satisfies ${type});`;
  const panels = dashboard.panels.map((panel) => typed(panel, `Kinds["${panel.type}"]`));
  const variables = dashboard.templating.list.map((variable) => typed(variable, "Json<Variable>"));
  const rest = typed({ ...dashboard, panels: [], templating: { list: [] } }, "Json<Dashboard>");
  return [TYPES, ...panels, ...variables, rest].join("\n");
}

function complaints(text) {
  // Beside the modules, where the compiler looks for them, but nowhere on the disk.
  const name = path.join(path.dirname(modules), "dashboard.ts");
  const options = {
    noEmit: true,
    strict: true,
    // What the packages say of each other is theirs.
    skipLibCheck: true,
    types: [],
    lib: ["lib.esnext.d.ts"],
    target: ts.ScriptTarget.ESNext,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
  };
  const host = ts.createCompilerHost(options);
  const { fileExists, getSourceFile } = host;
  host.fileExists = (file) => file === name || fileExists(file);
  host.getSourceFile = (file, ...rest) =>
    file === name ? ts.createSourceFile(file, text, ...rest) : getSourceFile(file, ...rest);
  const program = ts.createProgram([name], options, host);
  return ts.getPreEmitDiagnostics(program).map((found) => {
    const said = ts.flattenDiagnosticMessageText(found.messageText, " ");
    return found.file === undefined ? said : `${lineAt(found.file.text, found.start)}: ${said}`;
  });
}

// Enough of the line to know the panel by, and the place within it.
function lineAt(text, at) {
  const from = text.lastIndexOf("\n", at) + 1;
  return `${text.slice(from, from + 60)} ... ${text.slice(at, at + 40).split("\n")[0]}`;
}

process.stdout.write(JSON.stringify(complaints(source(JSON.parse(fs.readFileSync(0, "utf8"))))));
