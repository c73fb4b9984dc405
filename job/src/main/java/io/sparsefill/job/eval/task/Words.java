package io.sparsefill.job.eval.task;

import java.util.List;

/** Plain English words that keys are made of. */
final class Words {
  /** Things; the test models were trained on keys like {@code amber-anchor}. */
  static final List<String> NOUNS =
      words(
          """
          amber anchor apple arrow autumn badge bamboo banjo basil beacon birch blade bloom breeze
          bridge bronze cabin cactus canal candle canoe canyon carbon carpet castle cedar cellar
          chain chalk cherry chess cider cinder circle clay cliff cloak clock cloud clover coast
          cobalt comet compass copper coral cotton cradle crane crater crayon creek crown crystal
          dagger daisy dawn delta desert diamond dock dome dragon drum dune dust eagle ember
          engine fabric falcon feather fern fiddle field flame flint flute forest forge fossil
          fountain frost garden garlic garnet gate ginger glacier glass globe grain granite grape
          gravel grove guitar hammer harbor hazel hedge helmet heron hill hinge honey horn
          ice indigo iron island ivory ivy jacket jade jasmine jewel jungle kettle kite ladder
          lagoon lake lamp lantern laurel lava leaf lemon lilac lily linen lion lotus magnet
          mango maple marble market meadow melon mill mint mirror moon moss mountain nectar
          needle nest oak oasis ocean olive onyx opal orbit orchard otter owl paddle palace palm
          panda paper parade pearl pebble pepper piano pillow pine planet plum pocket pond poppy
          prism pumpkin quartz quill quilt rabbit raft rain raven reef ribbon ridge river robin
          rocket rose ruby saddle sail salmon sand sapphire scarf shadow shell silk silver sky
          """);

  /** Qualities. */
  static final List<String> ADJECTIVES =
      words(
          """
          able ample ancient ashen bare bitter blank blunt bold brave brief bright brisk broad
          busy calm careful cheap chilly clean clear clever close cold common cool crisp curious
          curved damp dark deep dense dim distant double dry dull eager early easy empty even
          exact faint fair famous fancy fast fierce final fine firm flat fond fragile free fresh
          full gentle giant glad golden good grand great green grim happy hard heavy hidden high
          hollow honest huge humble humid idle inner jolly keen kind large late lazy lean light
          likely little lively lone long loose loud loyal lucky mellow merry mild modern modest
          muddy narrow near neat new nimble noble noisy odd old open outer pale patient plain
          polite poor prime proud pure quick quiet rapid rare raw ready real rich rigid ripe
          rough round royal rural rusty sad safe salty sandy secret sharp shiny short shy silent
          simple sleepy slim slow small smart smooth sober soft solid sour spare steady steep
          stern stiff still strict strong subtle sudden sunny sweet swift tall tame tender thick
          thin tidy tight tiny tired tough true usual vague vast vivid warm weak weary wet white
          wide wild wise witty wooden young zany
          """);

  private Words() {}

  private static List<String> words(String text) {
    return List.of(text.strip().split("\\s+"));
  }
}
