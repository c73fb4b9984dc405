package io.sparsefill.job.eval.task;

import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;

/** The evaluation tasks. */
public enum Task {
  /** One number hidden in a text, at a depth; for the grid of depth and length. */
  NEEDLE("needle", true),
  /** RULER: one number hidden between repeated lines. */
  NIAH_SINGLE_1("ruler", true),
  /** RULER: one number hidden in a text. */
  NIAH_SINGLE_2("ruler", true),
  /** RULER: one UUID hidden in a text. */
  NIAH_SINGLE_3("ruler", true),
  /** RULER: four numbers under four keys in a text, one of them asked for. */
  NIAH_MULTIKEY_1("ruler", true),
  /** RULER: all lines hide a number under a key, one of them asked for. */
  NIAH_MULTIKEY_2("ruler", true),
  /** RULER: all lines hide a UUID under a UUID, one of them asked for. */
  NIAH_MULTIKEY_3("ruler", true),
  /** RULER: four numbers under one key in a text, all asked for. */
  NIAH_MULTIVALUE("ruler", false),
  /** RULER: four numbers under four keys in a text, all asked for. */
  NIAH_MULTIQUERY("ruler", false),
  /** RULER: variables that get one value through a chain of four assignments. */
  VT("ruler", false),
  /** RULER: the ten words that a numbered list repeats most often. */
  CWE("ruler", false),
  /** RULER: the three most frequent words of a coded text with Zipf's frequencies. */
  FWE("ruler", false),
  /** InfiniteBench: five digits hidden between repeated lines. */
  PASSKEY("infinitebench", true),
  /** InfiniteBench: ten digits, many of them doubled, hidden between repeated lines. */
  NUMBER_STRING("infinitebench", true),
  /** InfiniteBench: a JSON object of UUIDs, the value of one key asked for. */
  KV("infinitebench", true),
  /** Perplexity of the beginnings of texts; has no questions. */
  PPL("ppl", false);

  private final String group;
  private final boolean placed;

  Task(String group, boolean placed) {
    this.group = group;
    this.placed = placed;
  }

  /** The option's word: {@code needle}, {@code niah_multikey_2}, {@code kv}. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** Whether one thing is asked for, which can be put at a depth. */
  public boolean placed() {
    return placed;
  }

  /** Whether a context holds many keys, so that several can be asked for one after the other. */
  public boolean manyKeys() {
    return switch (this) {
      case NIAH_MULTIKEY_1, NIAH_MULTIKEY_2, NIAH_MULTIKEY_3, KV -> true;
      default -> false;
    };
  }

  /**
   * Reads a comma-separated list of tasks and groups; {@code ruler} and {@code infinitebench} mean
   * all of theirs.
   *
   * @return each task once, in the order of the list
   * @throws IllegalArgumentException for an unknown word or an empty list, naming the accepted ones
   */
  public static List<Task> parse(String list) {
    Set<Task> chosen = new LinkedHashSet<>();
    for (String word : list.split(",", -1)) {
      String wanted = word.strip().replace('-', '_');
      List<Task> found =
          Arrays.stream(values())
              .filter(task -> task.label().equals(wanted) || task.group.equals(wanted))
              .toList();
      if (found.isEmpty()) {
        throw new IllegalArgumentException(
            "Unknown task '%s': accepted are ruler, infinitebench, %s"
                .formatted(
                    word.strip(),
                    Arrays.stream(values()).map(Task::label).collect(Collectors.joining(", "))));
      }
      chosen.addAll(found);
    }
    return List.copyOf(chosen);
  }
}
