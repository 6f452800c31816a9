// Sends one trace by the OpenTelemetry SDK for JavaScript: node otel_traces.cjs http|proto URL. Prints its trace id.
// The packages are looked for in the current directory.
const { createRequire } = require("node:module");
const load = createRequire(process.cwd() + "/package.json");
const { trace, context, SpanKind, SpanStatusCode } = load("@opentelemetry/api");
const { NodeTracerProvider, BatchSpanProcessor } = load("@opentelemetry/sdk-trace-node");
const { resourceFromAttributes } = load("@opentelemetry/resources");
const { OTLPTraceExporter } = load("@opentelemetry/exporter-trace-otlp-" + process.argv[2]);

let failed = false;
const exporter = new OTLPTraceExporter({ url: process.argv[3] });
const send = exporter.export.bind(exporter);
exporter.export = (spans, done) =>
  send(spans, (result) => {
    if (result.code !== 0) {
      failed = true;
      console.error(result.error);
    }
    done(result);
  });

const provider = new NodeTracerProvider({
  resource: resourceFromAttributes({ "service.name": "sdk-" + process.argv[2] }),
  spanProcessors: [new BatchSpanProcessor(exporter)],
});
const tracer = provider.getTracer("spec", "1.2.3");
const root = tracer.startSpan("invoke_agent helpdesk", { kind: SpanKind.SERVER, attributes: { "user.id": "ann" } });
const inside = trace.setSpan(context.active(), root);
const chat = tracer.startSpan(
  "chat large",
  { kind: SpanKind.CLIENT, attributes: { "gen_ai.request.model": "large", "gen_ai.usage.input_tokens": 120, "spec.list": ["a", "b"] } },
  inside,
);
chat.end();
const tool = tracer.startSpan("execute_tool search", { kind: SpanKind.INTERNAL }, inside);
tool.recordException(new Error("no answer"));
tool.setStatus({ code: SpanStatusCode.ERROR, message: "no answer" });
tool.end();
root.end();
provider.shutdown().then(() => {
  console.log(root.spanContext().traceId);
  process.exit(failed ? 1 : 0);
});
