package io.github.neptuneml.gremlin.differential;

import static io.github.neptuneml.gremlin.differential.Form.of;

import java.util.stream.Stream;
import org.apache.tinkerpop.gremlin.process.traversal.Order;
import org.apache.tinkerpop.gremlin.process.traversal.P;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.__;
import org.apache.tinkerpop.gremlin.structure.T;

/** Forms that follow edges, stored or predicted, and change nothing. */
final class LinkForms {

    private LinkForms() {
    }

    static Stream<Form> all() {
        return Stream.of(flat(), nested(), loops()).flatMap(forms -> forms);
    }

    private static Stream<Form> flat() {
        return Stream.of(
                of("tails", (g, r) -> r.out(g.V(), "borrowed", "Book")),
                of("heads", (g, r) -> r.in(g.V(), "borrowed", "Reader")),
                of("one label", (g, r) -> r.out(g.V(), "knows", "Reader")),
                of("one label, heads", (g, r) -> r.in(g.V(), "knows", "Reader")),
                of("by ids", (g, r) -> r.out(g.V(3, 1, 3), "borrowed", "Book")),
                of("as/select", (g, r) -> r.out(g.V().as("s"), "borrowed", "Book").as("t").select("s", "t").by(T.id)),
                of("path", (g, r) -> r.out(g.V(), "borrowed", "Book").path()),
                of("path by", (g, r) -> r.out(g.V(), "borrowed", "Book").path().by("name")),
                of("id", (g, r) -> r.out(g.V(), "borrowed", "Book").id()),
                of("valueMap", (g, r) -> r.out(g.V(), "borrowed", "Book").valueMap()),
                of("elementMap", (g, r) -> r.out(g.V(), "borrowed", "Book").elementMap("name")),
                of("filter after", (g, r) -> r.out(g.V(), "borrowed", "Book").has("name", P.gt("b3"))),
                of("out again", (g, r) -> r.in(r.out(g.V(1), "knows", "Reader"), "knows", "Reader")),
                of("stored out after", (g, r) -> r.out(g.V(), "knows", "Reader").out("borrowed")),
                of("edges after", (g, r) -> r.out(g.V(), "knows", "Reader").outE("borrowed")),
                of("then a property", (g, r) -> r.values(r.out(g.V(), "borrowed", "Book"), "genre")),
                of("then a property path", (g, r) -> r.properties(r.out(g.V(), "borrowed", "Book"), "genre").path()),
                of("count", (g, r) -> r.out(g.V(), "borrowed", "Book").count()),
                of("dedup", (g, r) -> r.out(g.V(), "borrowed", "Book").dedup()),
                of("groupCount", (g, r) -> r.out(g.V(), "borrowed", "Book").groupCount().by("name")),
                of("order limit", (g, r) -> r.out(g.V(), "borrowed", "Book").order().by(T.id, Order.desc).limit(3)),
                of("limit", (g, r) -> r.out(g.V(), "borrowed", "Book").limit(4)),
                of("range", (g, r) -> r.out(g.V(), "knows", "Reader").range(3, 7)),
                of("tail", (g, r) -> r.out(g.V(), "knows", "Reader").tail(3)),
                of("bulk", (g, r) -> r.out(g.V().out("knows").barrier(), "borrowed", "Book")),
                of("bulk limit", (g, r) -> r.out(g.V().out("knows").barrier(), "knows", "Reader").limit(5)),
                of("aggregate", (g, r) -> r.out(g.V(), "borrowed", "Book").aggregate("x").by("name").cap("x")),
                of("without what was seen", (g, r) -> r.out(r.out(g.V(1).aggregate("seen"), "knows", "Reader"), "knows", "Reader").where(P.without("seen"))),
                of("tree", (g, r) -> r.out(g.V(3), "borrowed", "Book").tree()),
                of("simplePath", (g, r) -> r.in(r.out(g.V(3), "knows", "Reader"), "knows", "Reader").simplePath()),
                of("where neq", (g, r) -> r.in(r.out(g.V().as("a"), "knows", "Reader"), "knows", "Reader").where(P.neq("a"))));
    }

    private static Stream<Form> nested() {
        return Stream.of(
                of("where", (g, r) -> g.V().where(r.out("borrowed", "Book").has("genre", "novel"))),
                of("not", (g, r) -> g.V().hasLabel("Reader").not(r.out("borrowed", "Book"))),
                of("project", (g, r) -> g.V().hasLabel("Reader").project("r", "b").by("name").by(r.out("borrowed", "Book").values("name").fold())),
                of("project count", (g, r) -> g.V().project("r", "b").by("name").by(r.out("borrowed", "Book").count())),
                of("union", (g, r) -> g.V(3).union(r.out("borrowed", "Book"), r.out("knows", "Reader"), __.out("knows"))),
                of("coalesce", (g, r) -> g.V().hasLabel("Reader").coalesce(r.out("borrowed", "Book"), __.identity())),
                of("optional", (g, r) -> g.V().optional(r.out("borrowed", "Book"))),
                of("choose", (g, r) -> g.V().choose(r.out("borrowed", "Book"), __.constant("reads"), __.constant("does not"))),
                of("local limit", (g, r) -> g.V().local(r.out("knows", "Reader").limit(1))),
                of("flatMap", (g, r) -> g.V().flatMap(r.in("borrowed", "Reader"))),
                of("order by count", (g, r) -> g.V().hasLabel("Reader").order().by(r.out("borrowed", "Book").count(), Order.desc).by(T.id)),
                of("group", (g, r) -> g.V().hasLabel("Reader").group().by("name").by(r.out("borrowed", "Book").values("name").fold())),
                of("match", (g, r) -> g.V().match(r.out(__.as("a"), "knows", "Reader").as("b"), r.out(__.as("b"), "borrowed", "Book").as("c")).select("a", "c").by(T.id).order().by(__.select("a")).by(__.select("c"))),
                of("where two", (g, r) -> g.V().as("a").where(r.out(r.out("knows", "Reader"), "borrowed", "Book").has("genre", "essay")).id()),
                of("prediction within", (g, r) -> r.out(g.V(), "knows", "Reader").where(r.values("age").is(P.gt(21)))));
    }

    private static Stream<Form> loops() {
        return Stream.of(
                of("repeat times", (g, r) -> g.V(1).repeat(r.out("knows", "Reader")).times(2)),
                of("repeat path", (g, r) -> g.V(1).repeat(r.out("knows", "Reader").simplePath()).times(3).path()),
                of("repeat emit", (g, r) -> g.V(1, 2).repeat(r.out("knows", "Reader")).emit().times(2).path()),
                of("repeat until", (g, r) -> g.V(1).repeat(r.out("knows", "Reader").simplePath()).until(__.has("name", "r6")).path()),
                of("repeat until prediction", (g, r) -> g.V(1).repeat(r.out("knows", "Reader").simplePath()).until(r.values("age").is(P.gt(22))).path()),
                of("repeat until loops", (g, r) -> g.V(1, 3).emit().repeat(r.out("knows", "Reader")).until(__.loops().is(3)).path()),
                of("repeat limit", (g, r) -> g.V(1, 2).repeat(r.out("knows", "Reader").limit(2)).times(2)),
                of("repeat limit 3 times", (g, r) -> g.V(1).repeat(r.out("knows", "Reader").limit(1)).times(3).path()),
                of("repeat limit until", (g, r) -> g.V(1).repeat(r.out("knows", "Reader").limit(1)).until(__.has("name", "r4")).path()),
                of("repeat limit nested", (g, r) -> g.V(1).emit().repeat(__.local(r.out("knows", "Reader").limit(1))).until(__.has("name", "r4")).path()),
                of("repeat dedup", (g, r) -> g.V(1).repeat(r.out("knows", "Reader").dedup()).emit().times(3)),
                of("repeat union", (g, r) -> g.V(2).repeat(__.union(r.out("knows", "Reader"), r.in("knows", "Reader"))).times(2)));
    }
}
