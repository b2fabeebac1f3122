package io.github.neptuneml.gremlin.failure;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** docs/failures.md, made from {@link Failure}. */
final class FailurePage {

    /** The guide's list, in its order: class and trigger. */
    static final List<String[]> NEPTUNE = List.of(
            new String[] {"BadRequestException", "credentials for the role cannot be loaded"},
            new String[] {"BadRequestException", "the role may not invoke the endpoint"},
            new String[] {"BadRequestException", "the endpoint is not found"},
            new String[] {"InternalFailureException", "inductive metadata cannot be fetched"},
            new String[] {"InternalFailureException", "the inductive metadata's file is not there"},
            new String[] {"InvalidParameterException", "the endpoint is syntactically invalid"},
            new String[] {"InvalidParameterException", "the role's ARN is syntactically invalid"},
            new String[] {"InvalidParameterException", "several property keys in `properties()`"},
            new String[] {"InvalidParameterException", "several edge labels"},
            new String[] {"InvalidParameterException", "several constraints on the predicted vertices' label"},
            new String[] {"InvalidParameterException", "predicates of classification and of regression in one query"},
            new String[] {"InvalidParameterException", "more than one edge label in `in()` or `out()`"},
            new String[] {"InvalidParameterException", "more than one key beside `Neptune#ml.score`"},
            new String[] {"MissingParameterException", "no endpoint in the query or the cluster's parameters"},
            new String[] {"MissingParameterException", "no role in the query or the cluster's parameters"},
            new String[] {"MissingParameterException", "`properties()` without key"},
            new String[] {"MissingParameterException", "`in()` or `out()` without edge label"},
            new String[] {"MissingParameterException", "`Neptune#ml.score` without a property key"},
            new String[] {"UnsupportedOperationException", "`both()` in link prediction"},
            new String[] {"UnsupportedOperationException", "no label of predicted vertices after `in()` or `out()`"},
            new String[] {"UnsupportedOperationException", "an inductive query with steps that the engine cannot optimise"},
            new String[] {"UnsupportedOperationException", "inference inside `repeat()`"},
            new String[] {"UnsupportedOperationException", "more than one inference per query"},
            new String[] {"ConstraintViolationException", "bad data from the endpoint (not in the guide's list)"});

    /** Why a row of the list has no failure here. */
    static final Map<Integer, String> WITHOUT = Map.of(
            1, "there are no roles: a query needs no credentials",
            15, "there are no roles: `Neptune#ml.iamRoleArn` is accepted and changes nothing",
            21, "answered: the steps run in the graph's own engine",
            22, "answered",
            23, "answered: each step may name an endpoint of its own");

    private static final String HEAD = String.join("\n",
            "# Failures of queries", "",
            "Made from the table in `failure/Failure.java`; a test compares. `%s` stands for what the message fills in.", "",
            "Every failure's message begins with Neptune's code. Gremlin Server also names the class in the response's status",
            "attributes (`exceptions`), and its simple name is the code; `TooManyRequestsException` has status 596, which tells",
            "drivers that the same request may be sent again; all others have 500, or 597 in a Groovy script. The column HTTP is the",
            "status of Neptune's own API, which Gremlin Server does not give: its HTTP endpoint answers 500.", "",
            "| failure | code | HTTP | what happened | what to do |", "| --- | --- | --- | --- | --- |", "");

    private static final String NEPTUNES = String.join("\n",
            "", "## Neptune's own list", "",
            "| # | code | when | here |", "| --- | --- | --- | --- |", "");

    private FailurePage() {
    }

    static String text() {
        final StringBuilder text = new StringBuilder(HEAD);
        for (final Failure failure : Failure.values()) text.append(row(failure));
        text.append(NEPTUNES);
        for (int number = 1; number <= NEPTUNE.size(); number++) text.append(row(number));
        return text.toString();
    }

    private static String row(final Failure failure) {
        final NeptuneMLException exception = failure.with("%s", "%s", "%s");
        final String[] parts = failure.template().split("; ", 2);
        return line("`" + failure + "`", "`" + exception.code() + "`", String.valueOf(exception.status()), parts[0], parts[1]);
    }

    private static String row(final int number) {
        final String here = Arrays.stream(Failure.values()).filter(failure -> failure.standsFor(number))
                .map(failure -> "`" + failure + "`").collect(Collectors.joining(", "));
        return line(String.valueOf(number), "`" + NEPTUNE.get(number - 1)[0] + "`", NEPTUNE.get(number - 1)[1],
                here.isEmpty() ? WITHOUT.get(number) : here);
    }

    private static String line(final String... cells) {
        return "| " + Arrays.stream(cells).map(cell -> cell.replace("|", "\\|")).collect(Collectors.joining(" | ")) + " |\n";
    }
}
