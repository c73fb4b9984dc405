package io.sparsefill.kernels.bench;

import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/** Arguments of a benchmark: {@code --name value} pairs and {@code --flag}s. */
public final class Arguments {
  private final Map<String, String> values;

  private Arguments(Map<String, String> values) {
    this.values = values;
  }

  /** What a program does with its arguments. */
  public interface Program {
    /** Runs it. */
    void run(Arguments arguments) throws Exception;
  }

  /**
   * Runs a program. Wrong arguments print what is wrong and the usage to standard error.
   *
   * @param usage what the program takes
   * @param options names that need a value, with their dashes
   * @param flags names that stand alone, with their dashes
   * @return the process's exit code: 0, or 2 for wrong arguments
   * @throws Exception what the program throws besides {@link UsageException}
   */
  public static int run(
      String usage, Set<String> options, Set<String> flags, String[] args, Program program)
      throws Exception {
    try {
      program.run(parse(args, options, flags));
      return 0;
    } catch (UsageException e) {
      System.err.println(e.getMessage());
      System.err.println(usage);
      return 2;
    }
  }

  /**
   * Reads arguments.
   *
   * @throws UsageException for a name that is unknown, comes twice or lacks its value
   */
  public static Arguments parse(String[] args, Set<String> options, Set<String> flags) {
    Map<String, String> values = new HashMap<>();
    for (int i = 0; i < args.length; i++) {
      String name = args[i];
      boolean flag = flags.contains(name);
      if (!flag && !options.contains(name)) {
        throw new UsageException("Unknown argument '" + name + "'");
      }
      if (!flag && i + 1 == args.length) {
        throw new UsageException(name + " needs a value");
      }
      if (values.put(name, flag ? "" : args[++i]) != null) {
        throw new UsageException(name + " comes twice");
      }
    }
    return new Arguments(values);
  }

  /** Whether a name was given. */
  public boolean has(String name) {
    return values.containsKey(name);
  }

  /** An option's value, or what it is without. */
  public String text(String name, String otherwise) {
    return values.getOrDefault(name, otherwise);
  }

  /**
   * An option that must be there.
   *
   * @throws UsageException if it is not
   */
  public String text(String name) {
    if (!has(name)) {
      throw new UsageException(name + " is missing");
    }
    return values.get(name);
  }

  /** A comma-separated list. */
  public List<String> list(String name, String otherwise) {
    return Arrays.asList(text(name, otherwise).split(",", -1));
  }

  /**
   * One of some words.
   *
   * @throws UsageException for another one
   */
  public String word(String name, String otherwise, Set<String> accepted) {
    String word = text(name, otherwise);
    if (!accepted.contains(word)) {
      throw new UsageException(
          "%s %s: accepted are %s"
              .formatted(name, word, String.join(", ", new TreeSet<>(accepted))));
    }
    return word;
  }

  /**
   * A comma-separated list of positive numbers.
   *
   * @throws UsageException naming what is not one
   */
  public int[] sizes(String name, String otherwise) {
    return list(name, otherwise).stream().mapToInt(text -> size(name, text)).toArray();
  }

  /**
   * A positive number.
   *
   * @throws UsageException if it is not one
   */
  public int size(String name, int otherwise) {
    return has(name) ? size(name, values.get(name)) : otherwise;
  }

  private static int size(String name, String text) {
    if (!text.matches("[1-9]\\d{0,8}")) {
      throw new UsageException("%s: '%s' is not a positive number".formatted(name, text));
    }
    return Integer.parseInt(text);
  }
}
