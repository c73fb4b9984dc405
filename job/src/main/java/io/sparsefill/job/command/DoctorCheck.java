package io.sparsefill.job.command;

import java.util.Locale;

/**
 * One line of the doctor's report.
 *
 * @param name what was looked at
 * @param result how it stands
 * @param details what was found, and what to do if it is not well
 */
record DoctorCheck(String name, Result result, String details) {
  /** How a check stands. */
  enum Result {
    /** As it should be. */
    OK,
    /** It works, but slower or with less than it could. */
    WARNING,
    /** It does not work. */
    FAILED;

    String label() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  static DoctorCheck ok(String name, String details) {
    return new DoctorCheck(name, Result.OK, details);
  }

  static DoctorCheck warning(String name, String details) {
    return new DoctorCheck(name, Result.WARNING, details);
  }

  static DoctorCheck failed(String name, String details) {
    return new DoctorCheck(name, Result.FAILED, details);
  }
}
