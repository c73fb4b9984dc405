package io.sparsefill.job;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;

/**
 * The arrows of the design: job to udf to kernels, and no package that depends on itself in a
 * circle.
 */
@AnalyzeClasses(packages = "io.sparsefill", importOptions = ImportOption.DoNotIncludeTests.class)
class ArchitectureTest {
  @ArchTest
  static final ArchRule kernelsKnowNoOtherModule =
      noClasses()
          .that()
          .resideInAPackage("io.sparsefill.kernels..")
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage("io.sparsefill.udf..", "io.sparsefill.job..", "org.apache.spark..");

  @ArchTest
  static final ArchRule udfKnowsNoJob =
      noClasses()
          .that()
          .resideInAPackage("io.sparsefill.udf..")
          .should()
          .dependOnClassesThat()
          .resideInAPackage("io.sparsefill.job..");

  /**
   * {@link Main}, which spark-submit names, and {@link SparsefillPlugin}, which Spark's
   * configuration does, look up.
   */
  @ArchTest
  static final ArchRule packagesHaveNoCycles =
      slices()
          .matching("io.sparsefill.(**)")
          .should()
          .beFreeOfCycles()
          .ignoreDependency(
              DescribedPredicate.describe(
                  "named from outside",
                  origin ->
                      origin.getName().equals(Main.class.getName())
                          || origin.getName().equals(SparsefillPlugin.class.getName())),
              DescribedPredicate.alwaysTrue());

  @ArchTest
  static final ArchRule noInternalsOfRapids =
      noClasses()
          .that()
          .resideInAPackage("io.sparsefill..")
          .should()
          .dependOnClassesThat()
          .resideInAPackage("com.nvidia.spark.rapids..");
}
