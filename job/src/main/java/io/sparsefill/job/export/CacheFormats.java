package io.sparsefill.job.export;

import io.sparsefill.job.run.UsageException;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/** Every format that {@code --to} takes. */
final class CacheFormats {
  static final List<CacheFormat> ALL =
      List.of(
          new HfFormat(),
          new VllmFormat(),
          new LmcacheFormat(),
          new SglangFormat(),
          new LlamacppFormat());

  private CacheFormats() {}

  /**
   * The format of a name.
   *
   * @throws UsageException naming those that there are
   */
  static CacheFormat of(String name) {
    for (CacheFormat format : ALL) {
      if (format.name().equals(name.toLowerCase(Locale.ROOT))) {
        return format;
      }
    }
    String names = ALL.stream().map(CacheFormat::name).collect(Collectors.joining(", "));
    throw new UsageException("Cannot export to '" + name + "': accepted are " + names);
  }
}
