package io.sparsefill.job.notebook;

import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.apache.spark.sql.SparkSession;
import scala.jdk.javaapi.CollectionConverters;
import scala.tools.nsc.Settings;
import scala.tools.nsc.interpreter.IMain;
import scala.tools.nsc.interpreter.Results;
import scala.tools.nsc.interpreter.shell.ReplReporterImpl;

/**
 * Runs a Scala notebook cell by cell, in a JVM of its own, as Spark's shell does: Scala's
 * interpreter with class-based lines, whose classes Spark serves to executors from {@code
 * spark.repl.class.outputDir}, and the same names imported (SparkILoop's initialisation; the shell
 * itself, spark-repl, is this and a line editor).
 */
final class ScalaCells {
  private ScalaCells() {}

  /** Arguments: the notebook, and a folder for classes. Ends with code 1 at the first failure. */
  public static void main(String[] arguments) throws Exception {
    String classes = Files.createDirectories(Path.of(arguments[1])).toString();
    SparkSession spark =
        SparkSession.builder()
            .master("local[2]")
            .appName("sparsefill-notebook")
            .config("spark.ui.enabled", "false")
            .config("spark.sql.shuffle.partitions", "2")
            .config("spark.repl.class.outputDir", classes)
            .getOrCreate();
    PrintWriter out = new PrintWriter(System.out, true, StandardCharsets.UTF_8);
    Settings settings = new Settings();
    List<String> options =
        List.of(
            "-Yrepl-class-based",
            "-Yrepl-outdir",
            classes,
            "-classpath",
            System.getProperty("java.class.path"));
    settings.processArguments(CollectionConverters.asScala(options).toList(), true);
    IMain shell = new IMain(settings, new ReplReporterImpl(settings, out));
    interpret(
        shell,
        """
        @transient val spark = org.apache.spark.sql.SparkSession.builder.getOrCreate()
        @transient val sc = spark.sparkContext
        import org.apache.spark.SparkContext._
        import spark.implicits._
        import spark.sql
        import org.apache.spark.sql.functions._
        """);
    for (String cell : NotebookFile.read(Path.of(arguments[0])).code()) {
      interpret(shell, cell);
    }
    spark.stop();
    System.exit(0);
  }

  private static void interpret(IMain shell, String code) {
    if (shell.interpret(code) != Results.Success$.MODULE$) {
      System.out.println("Failed cell:\n" + code);
      System.exit(1);
    }
  }
}
