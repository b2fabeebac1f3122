package io.github.neptuneml.gremlin.wire;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.neptuneml.gremlin.Settings;
import io.github.neptuneml.gremlin.failure.NeptuneMLException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.tinkerpop.gremlin.structure.T;
import org.apache.tinkerpop.gremlin.structure.Vertex;
import org.apache.tinkerpop.gremlin.tinkergraph.structure.TinkerGraph;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Answers in columns: what they say, and that nothing of them is believed unseen. */
class AnswerReaderTest {

    private static final EndpointDescription GENRE = endpoint("\"task\":\"node_class\",\"target\":"
            + "{\"element\":\"node\",\"label\":\"Book\",\"property\":\"genre\",\"dataType\":\"String\"}");
    private static final EndpointDescription YEAR = endpoint("\"task\":\"node_class\",\"target\":"
            + "{\"element\":\"node\",\"label\":\"Book\",\"property\":\"year\",\"dataType\":\"Integer\"}");
    private static final EndpointDescription PRICE = endpoint("\"task\":\"node_regression\",\"target\":"
            + "{\"element\":\"node\",\"label\":\"Book\",\"property\":\"price\"}");
    private static final EndpointDescription LOANS = endpoint("\"task\":\"link_prediction\",\"target\":"
            + "{\"element\":\"edge\",\"edges\":[{\"from\":\"Reader\",\"label\":\"borrowed\",\"to\":\"Book\"}]}");
    private static final String[] CLASSES = {"'classes':['novel','essay'],'indices':[1,0]", "'scores':[0.7,0.6]"};

    private static EndpointDescription endpoint(final String members) {
        final String json = "{\"status\":\"InService\",\"version\":\"v1\",\"addresses\":[\"http://w:1\"],\"token\":\"t\"," + members + "}";
        return new DescriptionReader().read(json.getBytes(StandardCharsets.UTF_8),
                EndpointReference.parse("e", Settings.build().serviceUrl("http://s:1").create()));
    }

    private static Invocation two(final Invocation invocation) {
        final TinkerGraph graph = TinkerGraph.open();
        for (final String id : List.of("1", "2")) {
            final Vertex vertex = graph.addVertex(T.id, id);
            if (invocation.task() == Task.LINK_PREDICTION) invocation.addEnd(vertex, null, Set.of());
            else invocation.addNode(vertex);
        }
        return invocation;
    }

    private static Invocation values(final EndpointDescription endpoint) {
        return two(Invocation.ofProperty(endpoint, 2));
    }

    private static String answer(final String columns) {
        return "{'endpoint':'e','artifactVersion':'v1','columns':{" + columns + "}}";
    }

    private static List<String> read(final EndpointDescription endpoint, final Invocation asked, final String json) {
        final List<List<Answer>> answers = new AnswerReader().read(json.replace('\'', '"').getBytes(StandardCharsets.UTF_8), endpoint, asked);
        return answers.stream().map(list -> list.stream()
                .map(one -> one.value() + (Double.isNaN(one.score()) ? "" : "@" + one.score())).collect(Collectors.joining(" ")))
                .collect(Collectors.toList());
    }

    @Test
    void oneAnswerPerItemNeedsNoCounts() {
        assertEquals(List.of("essay", "novel"), read(GENRE, values(GENRE), answer(CLASSES[0])));
        assertEquals(List.of("1.5", "-2.0"), read(PRICE, values(PRICE), answer("'values':[1.5,-2]")));
    }

    @Test
    void countsShareTheAnswersOut() {
        assertEquals(List.of("essay novel", ""), read(GENRE, values(GENRE), answer(CLASSES[0] + ",'counts':[2,0]")));
        assertEquals(List.of("", "essay novel"), read(GENRE, values(GENRE), answer("'counts':[0,2]," + CLASSES[0])));
    }

    @Test
    void scoresAreReadWhereTheyWereAskedForAlone() {
        assertEquals(List.of("essay@0.7", "novel@0.6"), read(GENRE, values(GENRE).score(true), answer(CLASSES[0] + "," + CLASSES[1])));
        assertEquals(List.of("essay", "novel"), read(GENRE, values(GENRE), answer(CLASSES[0] + "," + CLASSES[1])));
    }

    @Test
    void packedNumbersAreTheSame() {
        final String packed = "'classes':['novel','essay'],'indices':'AQAAAAAAAAA=','counts':'AgAAAAAAAAA='";
        assertEquals(List.of("essay novel", ""), read(GENRE, values(GENRE), answer(packed)));
        assertEquals(List.of("1.5", "-2.0"), read(PRICE, values(PRICE), answer("'values':'AAAAAAAA+D8AAAAAAAAAwA=='")));
    }

    @Test
    void linksAreIdsWithScores() {
        final Invocation links = two(Invocation.ofLinks("borrowed", "Book", true, 5));
        assertEquals(List.of("11@0.5 12@0.25", "13@1.0"), read(LOANS, links, answer("'ids':['11','12','13'],'scores':[0.5,0.25,1],'counts':[2,1]")));
    }

    @Test
    void classesHaveThePropertysType() {
        final List<List<Answer>> answers = new AnswerReader().read(
                answer("'classes':['1999'],'indices':[0,0]").replace('\'', '"').getBytes(StandardCharsets.UTF_8), YEAR, values(YEAR));
        assertEquals(1999, answers.get(1).get(0).value());
    }

    @Test
    void membersThatLaterReleasesAddAreIgnored() {
        final String json = "{'new':{'columns':[1]},'artifactVersion':'v1','columns':{'also':[[1],{}]," + CLASSES[0] + "},'more':null}";
        assertEquals(List.of("essay", "novel"), read(GENRE, values(GENRE), json));
    }

    @Test
    void anotherVersionsAnswerIsNoAnswer() {
        for (final String version : List.of("'artifactVersion':'v2',", "")) {
            final String json = "{" + version + "'columns':{" + CLASSES[0] + "}}";
            final String text = assertThrows(NeptuneMLException.ConstraintViolationException.class, () -> read(GENRE, values(GENRE), json)).getMessage();
            assertTrue(text.contains("artifact version v1"), text);
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
        "`'classes':['novel'],'indices':[0]` | 1 answers to 2 items",
        "`'classes':['novel'],'indices':[0,0,0]` | 3 answers to 2 items",
        "`'classes':['novel'],'indices':[0,1]` | Index 1 out of bounds",
        "`'classes':['novel'],'indices':[0,-1]` | -1",
        "`'classes':['novel'],'indices':'AAAAAAE='` | 'indices' are 5 bytes",
        "`'classes':['novel'],'indices':'AAAAAAEAAAA='` | 1",
        "`'classes':['novel'],'indices':'AAAAAP////8='` | -1",
        "`'classes':['novel'],'indices':[0,0],'counts':'AgAAAA=='` | 1 answers to 2 items",
        "`'classes':['novel'],'indices':[0,0.5]` | a count or an index is VALUE_NUMBER_FLOAT",
        "`'classes':['novel'],'indices':[0,'0']` | a count or an index is VALUE_STRING",
        "`'classes':[null],'indices':[0,0]` | value null is no String",
        "`'classes':[{}],'indices':[0,0]` | value {} is no String",
        "`'classes':'novel','indices':[0,0]` | 'classes' is VALUE_STRING",
        "`'indices':[0,0]` | 'columns' of NODE_CLASS are missing",
        "`'values':[1,2]` | 'columns' of NODE_CLASS are missing",
        "`'classes':['novel'],'indices':[0,0],'counts':[1]` | 1 answers to 2 items",
        "`'classes':['novel'],'indices':[0,0],'counts':[1,2]` | an item has 2 answers",
        "`'classes':['novel'],'indices':[0,0],'counts':[1,0]` | 2 answers are counted as 1",
        "`'classes':['novel'],'indices':[0,0,0],'counts':[3,0]` | an item has 3 answers of at most 2",
        "`'classes':['novel'],'indices':[0,0],'counts':[3,-1]` | an item has 3 answers of at most 2",
        "`'classes':['novel'],'indices':[],'counts':[-1,1]` | an item has -1 answers"})
    void columnsThatContradictThemselvesAreRefused(final String columns, final String problem) {
        final String text = assertThrows(NeptuneMLException.ConstraintViolationException.class,
                () -> read(GENRE, values(GENRE), answer(columns))).getMessage();
        assertTrue(text.contains(problem), text);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
        "`'values':[1,'2']` | one of 'values' is no finite number", "`'values':[1,null]` | one of 'values' is no finite number",
        "`'values':[1,1e999]` | one of 'values' is no finite number", "`'values':[1,NaN]` | NaN"})
    void valuesAreFiniteNumbers(final String columns, final String problem) {
        final String text = assertThrows(NeptuneMLException.ConstraintViolationException.class,
                () -> read(PRICE, values(PRICE), answer(columns))).getMessage();
        assertTrue(text.contains(problem), text);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
        "`'ids':['1','2']` | 'scores' are missing, or are not 2", "`'ids':['1','2'],'scores':[1]` | 'scores' are missing, or are not 2",
        "`'ids':[1,2],'scores':[1,1]` | an id is VALUE_NUMBER_INT", "`'scores':[1,1]` | 'columns' of LINK_PREDICTION are missing"})
    void linksAreTextsWithAScoreEach(final String columns, final String problem) {
        final String text = assertThrows(NeptuneMLException.ConstraintViolationException.class,
                () -> read(LOANS, two(Invocation.ofLinks("borrowed", "Book", true, 5)), answer(columns))).getMessage();
        assertTrue(text.contains(problem), text);
    }

    /** Whatever arrives, cut or with a byte changed, is an answer or a typed failure. */
    @Test
    void noBytesAreAnythingButAnAnswerOrAFailure() {
        final byte[] whole = answer(CLASSES[0] + "," + CLASSES[1] + ",'counts':[1,1]").replace('\'', '"').getBytes(StandardCharsets.UTF_8);
        final Random random = new Random(4);
        final List<Integer> lengths = new ArrayList<>();
        for (int run = 0; run < 3000; run++) {
            final byte[] broken = whole.clone();
            broken[random.nextInt(broken.length)] = (byte) random.nextInt(256);
            final byte[] sent = run % 3 == 0 ? Arrays.copyOf(broken, random.nextInt(broken.length)) : broken;
            try {
                final List<List<Answer>> answers = new AnswerReader().read(sent, GENRE, values(GENRE).score(true));
                lengths.add(answers.size());
            } catch (final NeptuneMLException e) {
                assertTrue(e.getMessage().contains("endpoint 'e'"), e.getMessage());
            }
        }
        assertTrue(!lengths.isEmpty() && lengths.stream().allMatch(length -> length == 2));
    }
}
