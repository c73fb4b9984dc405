package io.sparsefill.udf;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;

/**
 * Who computes on a device, and with whose memory. On a GPU one document is pre-filled at a time,
 * by whichever engine, first come, first served: engines of other options (a run's and a query's,
 * log-likelihoods and logits) have each their own reserved memory, and the device's has been
 * planned for one of them. The one whose turn it is takes back what idle ones hold when it needs
 * it.
 */
final class DeviceTurns {
  private final Semaphore turns;
  private final boolean oneAtATime;
  private final Set<Engine> engines = ConcurrentHashMap.newKeySet();

  DeviceTurns(int documentsAtOnce) {
    this.turns = new Semaphore(documentsAtOnce, true);
    this.oneAtATime = documentsAtOnce == 1;
  }

  /** Waits for a turn. */
  void take() throws InterruptedException {
    turns.acquire();
  }

  /** Ends a turn. */
  void giveBack() {
    turns.release();
  }

  /** How many callers wait for a turn. */
  int waiting() {
    return turns.getQueueLength();
  }

  /** An engine of the device that has opened. */
  void add(Engine engine) {
    engines.add(engine);
  }

  /** An engine of the device that is about to close. */
  void remove(Engine engine) {
    engines.remove(engine);
  }

  /**
   * Lets engines give back the memory that they keep from one document to the next. The caller has
   * the turn, so that none of them is at work.
   *
   * @param except that keeps its own, or null
   */
  void unreserve(Engine except) {
    if (oneAtATime) {
      engines.stream().filter(engine -> engine != except).forEach(Engine::unreserve);
    }
  }

  /**
   * Sees to it that a document finds the memory that others need not hold. The caller has the turn.
   */
  void makeRoom(Engine engine, int tokens, int room) {
    if (oneAtATime && engines.size() > 1 && !engine.hasRoomFor(tokens, room)) {
      unreserve(engine);
    }
  }

  /** The same for work whose memory is not a document's: others hold nothing then. */
  void makeRoom(Engine engine) {
    if (oneAtATime) {
      unreserve(engine);
    }
  }
}
