package io.github.neptuneml.gremlin.strategy;

/** Where a predicate can stand. */
enum Place {

    SOURCE("in g.with(...)"),
    PROPERTIES("in with(...) directly after properties() or values()"),
    LINK("in with(...) directly after out() or in()"),
    KEY("as a key of properties()"),
    COLUMNS("in with(...) directly after the valueMap() that ends a query");

    private final String phrase;

    Place(final String phrase) {
        this.phrase = phrase;
    }

    @Override
    public String toString() {
        return phrase;
    }
}
