package io.sparsefill.job.deploy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The instructions of a Dockerfile.
 *
 * @param folder the folder whose parent is the context of the build
 * @param instructions in their order, continued lines joined, comments left out
 */
record Dockerfile(Path folder, List<Instruction> instructions) {
  /** One instruction: its name in capitals, and its words. */
  record Instruction(String name, List<String> words) {
    /** The words that are no flag such as {@code --from=jar}. */
    List<String> operands() {
      return words.stream().filter(word -> !word.startsWith("--")).toList();
    }
  }

  static Dockerfile read(Path file) throws IOException {
    List<Instruction> instructions = new ArrayList<>();
    StringBuilder joined = new StringBuilder();
    for (String line : Files.readAllLines(file)) {
      String text = line.strip();
      if (text.isEmpty() || text.startsWith("#")) {
        continue;
      }
      boolean more = text.endsWith("\\");
      joined.append(more ? text.substring(0, text.length() - 1) : text).append(' ');
      if (!more) {
        List<String> words = Arrays.asList(joined.toString().strip().split("\\s+", -1));
        instructions.add(new Instruction(words.get(0), words.subList(1, words.size())));
        joined.setLength(0);
      }
    }
    if (!joined.isEmpty()) {
      throw new IOException("Cannot read " + file + ": it ends in a continued line");
    }
    return new Dockerfile(file.getParent(), instructions);
  }

  /** All instructions of a name. */
  List<Instruction> all(String name) {
    return instructions.stream().filter(each -> each.name().equals(name)).toList();
  }

  /** The default of a build argument before the first stage. */
  String argument(String name) {
    return all("ARG").stream()
        .map(each -> each.words().get(0))
        .filter(word -> word.startsWith(name + "="))
        .map(word -> word.substring(name.length() + 1))
        .findFirst()
        .orElseThrow(() -> new IllegalArgumentException("No ARG " + name));
  }

  /** The instructions from the last FROM on: what the image is. */
  List<Instruction> image() {
    int from = instructions.lastIndexOf(all("FROM").get(all("FROM").size() - 1));
    return instructions.subList(from, instructions.size());
  }

  /** Whether an instruction of the last stage copies a file to this place. */
  boolean holds(String file) {
    for (Instruction copy : image()) {
      if (!copy.name().equals("COPY")) {
        continue;
      }
      String source = copy.operands().get(0);
      String target = copy.operands().get(1);
      if (file.equals(target)) {
        return true;
      }
      Path from = folder.resolveSibling(source);
      if (file.startsWith(target + "/")
          && Files.exists(from.resolve(file.substring(target.length() + 1)))) {
        return true;
      }
    }
    return false;
  }
}
