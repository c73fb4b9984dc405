package io.sparsefill.job.run;

import java.util.HashMap;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.SparkConf;
import org.apache.spark.deploy.SparkHadoopUtil;
import org.apache.spark.sql.SparkSession;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import scala.Option;

/**
 * The Spark session of one command: the one that is there already (notebooks, Databricks), the one
 * that spark-submit configured, or an embedded one. Closing it stops only a session that was made
 * here.
 */
public final class SessionScope implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(SessionScope.class);

  private final SparkSession spark;
  private final boolean ours;

  private SessionScope(SparkSession spark, boolean ours) {
    this.spark = spark;
    this.ours = ours;
  }

  /**
   * The whole Spark configuration as it stands before a command: a live session's, or
   * spark-submit's.
   */
  public static Map<String, String> configuration() {
    Map<String, String> all = new HashMap<>();
    Option<SparkSession> live = liveSession();
    if (live.isDefined()) {
      scala.jdk.javaapi.CollectionConverters.asJava(live.get().conf().getAll()).forEach(all::put);
    } else {
      for (scala.Tuple2<String, String> entry : new SparkConf().getAll()) {
        all.put(entry._1(), entry._2());
      }
    }
    return all;
  }

  /**
   * Configuration of file systems: a live session's, or one from spark-submit's {@code
   * spark.hadoop.*}.
   */
  public static Configuration hadoopConfiguration() {
    Option<SparkSession> live = liveSession();
    return live.isDefined()
        ? live.get().sparkContext().hadoopConfiguration()
        : SparkHadoopUtil.get().newConfiguration(new SparkConf());
  }

  /**
   * Takes or makes the session.
   *
   * @param name application name of a new session
   * @param master {@code --master}, or null
   * @throws UsageException if {@code master} differs from a master that is set already, Spark
   *     Connect is asked for, or a set-up could not run
   */
  public static SessionScope open(String name, String master) {
    Option<SparkSession> live = liveSession();
    SparkConf conf = new SparkConf();
    if (live.isEmpty()) {
      refuseConnect(conf.get("spark.remote", System.getenv("SPARK_REMOTE")));
    }
    String fixed =
        live.isDefined() ? live.get().sparkContext().master() : conf.get("spark.master", null);
    if (master != null && fixed != null && !master.equals(fixed)) {
      throw new UsageException(
          "Cannot use --master "
              + master
              + ": spark.master is "
              + fixed
              + " already; --master is for embedded Spark only, leave it out here");
    }
    if (live.isDefined()) {
      return new SessionScope(warned(live.get()), false);
    }
    StartChecks.check(conf);
    SparkSession.Builder builder = SparkSession.builder();
    if (!conf.contains("spark.app.name")) {
      builder.appName(name);
    }
    if (fixed == null) {
      embedded(conf, master == null ? "local[*]" : master).forEach(builder::config);
    }
    return new SessionScope(warned(builder.getOrCreate()), true);
  }

  /**
   * What an embedded session is set to unless its key is given. One task takes all cores: a
   * pre-fill spreads over them, and only one document's hidden states are in memory at a time.
   */
  private static Map<String, String> embedded(SparkConf conf, String master) {
    Map<String, String> wanted = new HashMap<>();
    wanted.put("spark.ui.enabled", "false");
    wanted.put("spark.ui.showConsoleProgress", "false");
    wanted.put("spark.driver.host", "localhost");
    wanted.put("spark.driver.bindAddress", "127.0.0.1");
    // Task progress comes with heartbeats.
    wanted.put("spark.executor.heartbeatInterval", "2s");
    if (master.equals("local[*]")) {
      wanted.put("spark.task.cpus", Integer.toString(Runtime.getRuntime().availableProcessors()));
    }
    wanted.keySet().removeIf(conf::contains);
    wanted.put("spark.master", master);
    return wanted;
  }

  private static SparkSession warned(SparkSession spark) {
    if (spark.sparkContext().getConf().getBoolean("spark.speculation", false)) {
      log.warn(
          "spark.speculation is true: slow documents are pre-filled twice at once and one result is"
              + " thrown away; set it to false for this job");
    }
    return spark;
  }

  private static Option<SparkSession> liveSession() {
    Option<SparkSession> active = SparkSession.getActiveSession();
    Option<SparkSession> found = active.isDefined() ? active : SparkSession.getDefaultSession();
    try {
      return found.isDefined() && !found.get().sparkContext().isStopped() ? found : Option.empty();
    } catch (UnsupportedOperationException e) { // how a session of Connect answers
      throw new UsageException(noConnect("the session of this program"), e);
    }
  }

  /** Ends when a server of Spark Connect is named. */
  static void refuseConnect(String remote) {
    if (remote != null && !remote.isBlank()) {
      throw new UsageException(noConnect(remote));
    }
  }

  private static String noConnect(String what) {
    return "Cannot run through Spark Connect ("
        + what
        + "): a pre-fill needs RDDs and the executors' resources, which Connect does not give; use"
        + " spark-submit --master, or a session of the cluster itself (on Databricks: dedicated access"
        + " mode), without spark.remote and SPARK_REMOTE";
  }

  /** The session. */
  public SparkSession spark() {
    return spark;
  }

  /** Threads that one task may use: {@code spark.task.cpus}. */
  public int taskCpus() {
    return spark.sparkContext().getConf().getInt("spark.task.cpus", 1);
  }

  @Override
  public void close() {
    if (ours) {
      spark.stop();
    }
  }
}
