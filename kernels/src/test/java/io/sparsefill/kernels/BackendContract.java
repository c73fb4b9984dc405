package io.sparsefill.kernels;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/** A contract of every backend: each test gets one that is open, and closes it. */
public abstract class BackendContract {
  /** The backend of the test that runs. */
  BackendUnderTest device;

  /** Opens the backend. */
  protected abstract BackendUnderTest open();

  @BeforeEach
  void openBackend() {
    device = open();
  }

  @AfterEach
  void closeBackend() {
    device.close();
  }
}
