package io.sparsefill.job.command;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparsefill.job.output.Inspection;
import io.sparsefill.job.output.InspectionReport;
import io.sparsefill.job.output.KvCost;
import io.sparsefill.job.run.OptionValues;
import io.sparsefill.job.run.RunOption;
import io.sparsefill.job.run.SessionScope;
import io.sparsefill.job.run.UsageException;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.apache.hadoop.conf.Configuration;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/**
 * {@code sparsefill inspect}: what an output folder holds, or the numbers of one head of one
 * document.
 */
@Command(
    name = "inspect",
    description = {
      "Reports on --output: documents, tokens, bytes, density, seconds, errors, runs, and how often"
          + " a month its caches must be read for keeping them to cost less than computing them.",
      "With --doc, prints keys or values of one head of that document instead. Needs no Spark session."
    },
    mixinStandardHelpOptions = true)
final class InspectCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Option(names = "--doc", paramLabel = "ID", description = "doc_id of the document to print")
  private String doc;

  @Option(names = "--layer", paramLabel = "N", description = "its layer, from 0 (default 0)")
  private int layer;

  @Option(names = "--head", paramLabel = "N", description = "its KV head, from 0 (default 0)")
  private int head;

  @Option(names = "--tensor", paramLabel = "NAME", description = "key or value (default key)")
  private String tensor = "key";

  @Option(names = "--from", paramLabel = "TOKEN", description = "first token, from 0 (default 0)")
  private int from;

  @Option(names = "--count", paramLabel = "N", description = "how many tokens (default 8)")
  private int count = 8;

  @Mixin private GpuPrice gpuPrice;

  @Option(
      names = "--storage-price",
      paramLabel = "DOLLARS",
      description = "of 10^9 stored bytes, a month (default 0.023)")
  private double storagePrice = KvCost.Prices.USUAL.gbMonth();

  private InspectCommand() {}

  static CommandLine line() {
    return SharedOptions.line(new InspectCommand(), List.of(RunOption.OUTPUT));
  }

  @Override
  public Integer call() throws IOException {
    OptionValues values = SharedOptions.values(spec);
    String output = values.required(RunOption.OUTPUT);
    Configuration conf = SessionScope.hadoopConfiguration();
    PrintWriter out = spec.commandLine().getOut();
    if (doc == null) {
      InspectionReport report = Inspection.report(conf, output);
      Optional<KvCost> cost = report.kvCost(prices());
      out.println(report.text());
      cost.ifPresent(kv -> kv.lines().forEach(out::println));
      out.println(json(report, cost));
    } else {
      List<String> lines = head(conf, output);
      lines.forEach(out::println);
      ObjectNode json = new ObjectMapper().createObjectNode();
      json.put("doc_id", doc).put("layer", layer).put("head", head).put("tensor", tensor);
      json.put("from", from).put("output", output);
      out.println(json);
    }
    out.flush();
    return ExitCode.DONE;
  }

  private KvCost.Prices prices() {
    try {
      return new KvCost.Prices(gpuPrice.perHour(), storagePrice);
    } catch (IllegalArgumentException e) {
      throw new UsageException(e.getMessage(), e);
    }
  }

  private List<String> head(Configuration conf, String output) throws IOException {
    Inspection.Tensor wanted =
        switch (tensor) {
          case "key" -> Inspection.Tensor.KEY;
          case "value" -> Inspection.Tensor.VALUE;
          default ->
              throw new UsageException(
                  "Cannot use --tensor " + tensor + ": accepted are key and value");
        };
    try {
      return Inspection.head(
          conf, output, new Inspection.HeadRequest(doc, layer, head, wanted, from, count));
    } catch (IllegalArgumentException e) {
      throw new UsageException(e.getMessage(), e);
    }
  }

  private static ObjectNode json(InspectionReport report, Optional<KvCost> cost) {
    ObjectNode json = new ObjectMapper().createObjectNode();
    ObjectNode documents = json.putObject("documents");
    report.documents().forEach(documents::put);
    json.put("tokens", report.tokens());
    ObjectNode bytes = json.putObject("bytes");
    report.sizes().forEach((table, size) -> bytes.put(table.folder(), size.bytes()));
    if (report.density().count() > 0) {
      json.put("density", report.density().mean());
    }
    cost.ifPresent(
        kv -> {
          ObjectNode node = json.putObject("kv_cost");
          node.put("bytes_per_token", kv.bytesPerToken());
          node.put("of_bf16", kv.ofBf16());
          node.put("keeping_dollars_per_month", kv.keepingAMonth());
          if (!Double.isNaN(kv.breakEven())) {
            node.put("computing_again_dollars", kv.computingAgain());
            node.put("break_even_reuses_per_month", kv.breakEven());
          }
        });
    json.put("seconds", report.seconds());
    json.put("tokens_per_second", Math.round(report.tokensPerSecond() * 10) / 10.0);
    json.put("runs", report.manifest().runs().size());
    json.put("output", report.output());
    return json;
  }
}
