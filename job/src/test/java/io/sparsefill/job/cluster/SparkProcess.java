package io.sparsefill.job.cluster;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * One of Spark's own programs in a JVM of its own, on the jars that Maven resolved: a master, a
 * worker or spark-submit. It writes a log, ends with this JVM (see {@link EndsWithThisJvm}), and
 * whatever it has started ends when it is closed.
 */
final class SparkProcess implements AutoCloseable {
  private static final long END_SECONDS = 20;

  private final String name;
  private final Process process;
  private final Path log;

  private SparkProcess(String name, Process process, Path log) {
    this.name = name;
    this.process = process;
    this.log = log;
  }

  /**
   * Starts a program.
   *
   * @param folder gets NAME.log with all that it prints
   * @param environment is added to this JVM's
   * @param javaOptions come after those that Spark needs
   * @param main class name
   */
  static SparkProcess start(
      Path folder,
      String name,
      Map<String, String> environment,
      List<String> javaOptions,
      String main,
      List<String> arguments)
      throws IOException {
    Path root = Path.of(System.getProperty("sparsefill.root"));
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("@" + root.resolve("job/bin/jvm-options"));
    command.addAll(javaOptions);
    command.addAll(List.of("-cp", sparkJars(), main));
    command.addAll(arguments);
    Path log = folder.resolve(name + ".log");
    ProcessBuilder builder = new ProcessBuilder(command).directory(folder.toFile());
    builder.environment().remove("SPARK_HOME");
    builder.environment().remove("SPARK_CONF_DIR");
    builder.environment().put("SPARK_LOCAL_IP", "127.0.0.1");
    builder.environment().put(EndsWithThisJvm.VARIABLE, EndsWithThisJvm.options(folder));
    builder.environment().putAll(environment);
    builder.redirectErrorStream(true).redirectOutput(log.toFile());
    return new SparkProcess(name, builder.start(), log);
  }

  /** Spark and what it brings, joined by the path separator. */
  static String sparkJars() throws IOException {
    return Files.readString(Path.of(System.getProperty("sparsefill.sparkClasspath"))).strip();
  }

  /**
   * Waits until the log has a text.
   *
   * @return the pattern's first group
   * @throws IllegalStateException with the log, if the process ends or a minute passes before
   */
  String awaits(Pattern text) throws IOException, InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.MINUTES.toNanos(1);
    while (true) {
      boolean alive = process.isAlive(); // asked first: the log of a process that ended is whole
      Matcher found = text.matcher(log());
      if (found.find()) {
        return found.group(1);
      }
      if (!alive || System.nanoTime() > deadline) {
        throw new IllegalStateException(
            name + (alive ? " has not said " : " ended without saying ") + text + ":\n" + log());
      }
      process.waitFor(100, TimeUnit.MILLISECONDS);
    }
  }

  /**
   * Waits for the end.
   *
   * @return the exit code
   * @throws IllegalStateException with the log, if it does not end in time
   */
  int code(long seconds) throws IOException, InterruptedException {
    if (!process.waitFor(seconds, TimeUnit.SECONDS)) {
      throw new IllegalStateException(
          name + " does not end within " + seconds + " s; its log:\n" + log());
    }
    return process.exitValue();
  }

  /** All that it has printed so far. */
  String log() throws IOException {
    return Files.readString(log);
  }

  /** It and whatever it has started that is still there. */
  List<ProcessHandle> family() {
    return Stream.concat(Stream.of(process.toHandle()), process.descendants()).toList();
  }

  /** Asks it to end, as Spark's workers then ask what they have started; then by force. */
  @Override
  public void close() {
    List<ProcessHandle> family = family();
    process.destroy();
    try {
      process.waitFor(END_SECONDS, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      family.forEach(ProcessHandle::destroyForcibly);
    }
  }
}
