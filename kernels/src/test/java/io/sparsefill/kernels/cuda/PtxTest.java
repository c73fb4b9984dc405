package io.sparsefill.kernels.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import jcuda.nvptxcompiler.JNvPTXCompiler;
import jcuda.nvptxcompiler.nvPTXCompileResult;
import jcuda.nvptxcompiler.nvPTXCompilerHandle;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The committed PTX, without a device: it assembles for the GPUs that it is for, it is what the
 * sources give, and its parameter structs are those of the launchers. The assembler is that of CUDA
 * 12.0, which JCuda carries.
 */
class PtxTest {
  /** Every file, with the parameters that its layout tables belong to. */
  private static Stream<String> files() {
    return Stream.of(
        "rows",
        "packing",
        "gemm",
        "attention",
        "attention_sm90",
        "estimate",
        "probes",
        "select",
        "blocks",
        "tiles");
  }

  /** Files for one GPU only say so. */
  private static boolean isForHopper(String name) {
    return name.endsWith("_sm90");
  }

  @ParameterizedTest
  @ValueSource(strings = {"sm_80", "sm_90a"})
  void everyFileAssembles(String target) {
    files()
        .filter(name -> target.equals("sm_90a") || !isForHopper(name))
        .forEach(
            name -> {
              String log = assemble(PtxFile.read(name).text(), target);
              assertThat(log).as("%s.ptx for %s", name, target).contains("registers");
              if (name.startsWith("attention")) {
                List<Integer> headDims =
                    isForHopper(name) ? AttentionChoice.SM_90A_HEAD_DIMS : CudaAttention.HEAD_DIMS;
                assertThat(log.lines().filter(line -> line.contains("spill stores")))
                    .as("spills of the kernels of %s for %s", name, target)
                    .hasSize(headDims.size())
                    .allMatch(line -> line.contains(" 0 bytes spill stores"));
              }
            });
  }

  /** Assembles, and returns what the assembler says about each kernel. */
  private static String assemble(String text, String target) {
    nvPTXCompilerHandle handle = new nvPTXCompilerHandle();
    byte[] bytes = (text + "\0").getBytes(StandardCharsets.US_ASCII);
    assertThat(JNvPTXCompiler.nvPTXCompilerCreate(handle, bytes.length, bytes))
        .isEqualTo(nvPTXCompileResult.NVPTXCOMPILE_SUCCESS);
    try {
      String[] options = {"--gpu-name=" + target, "--verbose"};
      int code = JNvPTXCompiler.nvPTXCompilerCompile(handle, options.length, options);
      long[] size = new long[1];
      JNvPTXCompiler.nvPTXCompilerGetErrorLogSize(handle, size);
      byte[] errors = new byte[(int) size[0] + 1];
      JNvPTXCompiler.nvPTXCompilerGetErrorLog(handle, errors);
      assertThat(code)
          .as(new String(errors, StandardCharsets.UTF_8))
          .isEqualTo(nvPTXCompileResult.NVPTXCOMPILE_SUCCESS);
      JNvPTXCompiler.nvPTXCompilerGetInfoLogSize(handle, size);
      byte[] info = new byte[(int) size[0] + 1];
      JNvPTXCompiler.nvPTXCompilerGetInfoLog(handle, info);
      return new String(info, StandardCharsets.UTF_8);
    } finally {
      JNvPTXCompiler.nvPTXCompilerDestroy(handle);
    }
  }

  @Test
  void noFileHasPragmasThatDriversOfItsVersionRefuse() {
    // The assembler above skips pragmas that it does not know; drivers do not.
    files()
        .forEach(
            name ->
                assertThat(PtxFile.read(name).text().lines())
                    .as(name)
                    .filteredOn(line -> line.contains(".pragma"))
                    .allMatch(line -> line.contains("\"nounroll\"")));
  }

  @Test
  void theToolkitsAssemblerTakesEveryFile(@TempDir Path folder) throws Exception {
    assumeTrue(onPath("ptxas"), "no ptxas on the PATH");
    for (String name : files().toList()) {
      Path file = Files.writeString(folder.resolve(name + ".ptx"), PtxFile.read(name).text());
      String output =
          run(
              "ptxas",
              "-v",
              isForHopper(name) ? "-arch=sm_90a" : "-arch=sm_90",
              "-o",
              folder.resolve("cubin").toString(),
              file.toString());
      assertThat(output).as("what ptxas says of %s.ptx", name).doesNotContain("error");
      // C7513 and the like: it waits for each product instead of leaving them under way. The
      // assembler of CUDA 12.0 says so of attention_sm90, which is right but slower there.
      assertThat(output).as("what ptxas says of %s.ptx", name).doesNotContain("Performance Loss");
    }
  }

  /** Runs a program, which must succeed, and returns what it printed. */
  private static String run(String... command) throws Exception {
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor(10, TimeUnit.MINUTES)).isTrue();
    assertThat(process.exitValue()).as(output).isZero();
    return output;
  }

  @Test
  void parametersLieWhereTheStructsHaveThem() {
    assertLayout("rows", "rope_layout", new RowParameters.Rope(1, 2, 3, 4, 5, 6));
    assertLayout("rows", "embed_layout", new RowParameters.Embed(1, 2, 3, 4, 5, 6, 7));
    assertLayout("rows", "rms_norm_layout", new RowParameters.RmsNorm(1, 2, 3, 4, 5, 6, 7, 8));
    assertLayout("rows", "bias_layout", new RowParameters.Bias(1, 2, 3, 4, 5, true));
    assertLayout(
        "rows",
        "split_rotate_layout",
        new RowParameters.Split(
            1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, true, 20, 21));
    assertLayout("rows", "silu_mul_layout", new RowParameters.SiluMul(1, 2, 3, 4, 5, 6));
    assertLayout("rows", "nll_layout", new RowParameters.Nll(1, 2, 3, 4, 5, 6, true));
    assertLayout("packing", "pack_layout", new PackingParameters.Pack(1, 2, 3, 4, 5, 6, true, 8));
    assertLayout(
        "packing",
        "pack_fp8_layout",
        new PackingParameters.PackFp8(1, 2, 3, 4, 5, 6, 7, 8, true, 10));
    assertLayout(
        "gemm",
        "gemm_layout",
        new TiledGemm.Parameters(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, true, 12, 13, 14));
    assertLayout(
        "attention",
        "attention_layout",
        new CudaAttention.Parameters(
            1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21));
    assertLayout(
        "estimate",
        "line_layout",
        new LineKernels.EstimateParameters(
            1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18));
    assertLayout(
        "probes",
        "probe_layout",
        new ProbeKernels.Parameters(
            1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24));
    assertLayout(
        "blocks", "pool_layout", new BlockKernels.PoolParameters(1, 2, 3, 4, 5, 6, 7, 8, 9, true));
    assertLayout(
        "blocks",
        "pool_score_layout",
        new BlockKernels.ScoreParameters(1, 2, 3, 4, 5, 6, 7, 8, 9, 10));
    assertLayout(
        "select",
        "select_layout",
        new LineKernels.SelectParameters(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12));
    assertLayout(
        "blocks",
        "choose_layout",
        new BlockKernels.ChooseParameters(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12));
    assertLayout(
        "tiles",
        "tiles_layout",
        new TileKernels.Parameters(
            1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, true));
  }

  private static void assertLayout(String file, String table, KernelParameters parameters) {
    StructWriter struct = new StructWriter();
    parameters.write(struct);
    assertThat(struct.layout())
        .as("%s in %s.ptx against %s", table, file, parameters.getClass().getSimpleName())
        .isEqualTo(PtxFile.read(file).table(table));
  }

  @Test
  void everyLaunchTableFitsABlock() {
    files()
        .forEach(
            name -> {
              PtxFile file = PtxFile.read(name);
              String[] tables =
                  file.text()
                      .lines()
                      .filter(line -> line.startsWith(".const") && line.contains("_launch["))
                      .map(line -> line.split("\\s+|\\[")[4])
                      .toArray(String[]::new);
              assertThat(tables).as(name).isNotEmpty();
              for (String table : tables) {
                int[] launch = file.table(table);
                assertThat(launch).as(table).hasSize(4);
                assertThat(launch[0]).as(table).isBetween(32, 1024).matches(n -> n % 32 == 0);
                // What a block may take.
                int sharedBytes = isForHopper(name) ? 227 << 10 : 163 << 10;
                assertThat(launch[1]).as(table).isBetween(0, sharedBytes);
              }
            });
  }

  @Test
  void aTableThatIsMissingIsNamed() {
    assertThatThrownBy(() -> PtxFile.read("rows").table("nothing_layout"))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("nothing_layout")
        .hasMessageContaining("rows.ptx");
    assertThatThrownBy(() -> PtxFile.read("nothing"))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("build-ptx.sh");
  }

  @Test
  void tablesOfBytesAndOfWordsAreRead() {
    // Oracle: the forms that nvcc writes, zeros at the end left out.
    PtxFile file =
        new PtxFile(
            "x",
            """
            .const .align 4 .b8 a[12] = {1, 2, 0, 0, 255, 255, 255, 255};
            .visible .const .align 4 .u32 b[3] = {7, 8};
            .const .align 4 .b8 c[8];
            """);
    assertThat(file.table("a")).isEqualTo(new int[] {513, -1, 0});
    assertThat(file.table("b")).isEqualTo(new int[] {7, 8, 0});
    assertThat(file.table("c")).isEqualTo(new int[] {0, 0});
  }

  @Test
  void thePtxIsWhatTheSourcesGive(@TempDir Path folder) throws Exception {
    assumeTrue(onPath("nvcc"), "no nvcc on the PATH");
    Path sources = Path.of(System.getProperty("sparsefill.root"), "kernels/src/main/cuda");
    run("bash", sources.resolve("build-ptx.sh").toString(), folder.toString());
    assertThat(names(folder)).isEqualTo(files().map(name -> name + ".ptx").sorted().toList());
    for (String name : files().toList()) {
      assertThat(Files.readString(folder.resolve(name + ".ptx")).equals(PtxFile.read(name).text()))
          .as("%s.ptx is that of its source; else run build-ptx.sh and commit", name)
          .isTrue();
    }
  }

  private static List<String> names(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(file -> file.getFileName().toString()).sorted().toList();
    }
  }

  private static boolean onPath(String program) {
    return Arrays.stream(System.getenv("PATH").split(File.pathSeparator))
        .anyMatch(folder -> Files.isExecutable(Path.of(folder, program)));
  }
}
