package io.sparsefill.job.export;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.job.export.ExportedDocument.ExportedFile;
import io.sparsefill.job.output.OutputRefused;
import io.sparsefill.job.output.Storage;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The oracle is what the java.nio listing of the folder says. */
class DestinationTest {
  private static final Configuration CONF = new Configuration();

  @TempDir Path temp;

  private Path dest;

  @BeforeEach
  void nameDestination() {
    dest = temp.resolve("dest");
  }

  private Destination open() throws IOException {
    return Destination.of(CONF, dest.toString(), "file:/runs/out");
  }

  private ExportedDocument write(String docId, String... files) throws IOException {
    StagedFolder folder =
        new StagedFolder(new Storage(CONF, dest.toString()), Destination.STAGING + "/" + docId);
    for (String file : files) {
      boolean shared = file.startsWith("shared");
      try (OutputStream out = shared ? folder.createShared(file) : folder.create(file)) {
        out.write(docId.getBytes(StandardCharsets.UTF_8));
      }
    }
    return new ExportedDocument(docId, "r1", 5, Destination.STAGING + "/" + docId, folder.files());
  }

  private List<String> there() throws IOException {
    try (Stream<Path> walk = Files.walk(dest)) {
      return walk.filter(Files::isRegularFile)
          .map(file -> dest.relativize(file).toString())
          .sorted()
          .toList();
    }
  }

  @Test
  void filesAppearTogetherAndSharedOnesOnce() throws Exception {
    Destination destination = open();
    destination.begin();
    ExportedDocument second = write("b", "b.bin", "shared/x", "shared/y");
    ExportedDocument first = write("a", "deep/er/a.bin", "shared/x");
    assertThat(there()).allMatch(file -> file.startsWith(Destination.STAGING));
    assertThat(destination.publish(List.of(first, second)))
        .extracting(ExportedFile::path)
        .containsExactly("deep/er/a.bin", "shared/x", "b.bin", "shared/y");
    destination.complete("{}");
    assertThat(there())
        .containsExactly("b.bin", "deep/er/a.bin", "export.json", "shared/x", "shared/y");
    assertThat(dest.resolve("shared/x")).as("the first document's").hasContent("a");
    assertThat(dest.resolve(Destination.STAGING)).doesNotExist();
  }

  @Test
  void aFailureLeavesNothing() throws Exception {
    Destination destination = open();
    destination.begin();
    ExportedDocument a = write("a", "deep/er/a.bin", "same.bin");
    ExportedDocument b = write("b", "same.bin");
    assertThatThrownBy(() -> destination.publish(List.of(a, b)))
        .hasMessageContaining("same.bin exists already");
    IOException failure = new IOException("x");
    destination.discard(failure);
    assertThat(dest).doesNotExist();
    assertThat(failure.getSuppressed()).isEmpty();

    Files.createDirectories(dest);
    Destination empty = open();
    empty.begin();
    write("a", "a.bin");
    empty.discard(failure);
    assertThat(dest).as("was there before").isEmptyDirectory();
  }

  @Test
  void twoExportsThatFoundTheFolderEmptyDoNotMix() throws Exception {
    Destination first = open();
    Destination second = open();
    Destination third = open();
    first.begin();
    ExportedDocument a = write("a", "folder/a.bin");
    assertThatThrownBy(second::begin)
        .isInstanceOf(OutputRefused.class)
        .hasMessageContaining("another export writes there");
    second.discard(new IOException("x"));
    first.publish(List.of(a));
    first.complete("{}");

    third.begin(); // nothing tells it of the first one, which is complete
    third.publish(List.of(write("b", "folder/b.bin")));
    assertThatThrownBy(() -> third.complete("[]")).hasMessageContaining("another export");
    third.discard(new IOException("x"));
    assertThat(there()).containsExactly("export.json", "folder/a.bin");
    assertThat(dest.resolve("export.json")).hasContent("{}");
  }

  @Test
  void aFolderThatHoldsSomethingIsRefused() throws Exception {
    Files.createDirectories(dest.resolve(Destination.STAGING));
    assertThatThrownBy(this::open)
        .isInstanceOf(OutputRefused.class)
        .hasMessageContaining("an export that did not finish left _staging there");
    Files.writeString(dest.resolve("export.json"), "{}");
    assertThatThrownBy(this::open).hasMessageContaining("an export is there already");
    assertThatThrownBy(() -> Destination.of(CONF, "/runs/out/x", "file:/runs/out"))
        .isInstanceOf(OutputRefused.class)
        .hasMessageContaining("it lies in the run's folder");
  }

  @Test
  void pathsStayBelowTheDestination() throws Exception {
    StagedFolder folder = new StagedFolder(new Storage(CONF, dest.toString()), "x");
    for (String path : List.of("", "/a", "a//b", "../a", "a/./b", "a/")) {
      assertThatThrownBy(() -> folder.create(path))
          .as(path)
          .isInstanceOf(IllegalArgumentException.class);
    }
  }
}
