"""Every function that a `mart.sql` may call: what it returns depends on its arguments alone.

Left out is what depends on the clock (also `age` of one date), on chance (also approximations from samples), on the
session or the version of DuckDB (hashes), what calls a function by a name in a text (`list_aggregate`), and what raises
an error with a value. Operators are functions too. Source: duckdb_functions() of the pinned DuckDB.
"""

# A list in Python would be 300 lines long.
ALLOWED = frozenset(
    """
    !~~ !~~* % & * ** + - / // << >> @ ^ abs add any_value apply arbitrary arg_max arg_max_null arg_min
    arg_min_null argmax argmin array_agg array_append array_apply array_cat array_concat array_contains
    array_distinct array_extract array_filter array_has array_has_all array_has_any array_intersect array_length
    array_prepend array_reduce array_reverse array_reverse_sort array_slice array_sort array_transform
    array_unique array_value array_zip ascii avg bit_and bit_or bit_xor bool_and bool_or cardinality cbrt ceil
    ceiling century char_length character_length chr concat concat_ws constant_or_null contains corr count
    count_if count_star countif covar_pop covar_samp cume_dist damerau_levenshtein date_add date_diff date_part
    date_sub date_trunc datediff datepart datesub datetrunc day dayname dayofmonth dayofweek dayofyear decade
    dense_rank divide editdist3 element_at ends_with entropy epoch epoch_ms epoch_us era even exp factorial favg
    fdiv filter first first_value flatten floor fmod format fsum gcd generate_series greatest group_concat
    hamming histogram hour if ilike_escape instr isfinite isinf isnan isodow isoyear jaccard jaro_similarity
    jaro_winkler_similarity julian kahan_sum kurtosis kurtosis_pop lag last last_day last_value lcase lcm lead
    least left len length length_grapheme levenshtein like_escape list list_append list_apply list_avg list_cat
    list_concat list_contains list_count list_distinct list_element list_extract list_filter list_has
    list_has_all list_has_any list_indexof list_intersect list_max list_min list_pack list_position list_prepend
    list_reduce list_reverse list_reverse_sort list_slice list_sort list_sum list_transform list_unique
    list_value list_zip listagg ln log log10 log2 lower lpad ltrim mad make_date make_time make_timestamp map
    map_extract map_from_entries map_keys map_values max max_by mean median microsecond millennium millisecond
    min min_by minute mod mode month monthname multiply nfc_normalize not_ilike_escape not_like_escape nth_value
    ntile nullif ord percent_rank pi position pow power prefix printf product quantile quantile_cont
    quantile_disc quarter range rank rank_dense reduce regexp_extract regexp_extract_all regexp_full_match
    regexp_matches regexp_replace regexp_split_to_array regr_avgx regr_avgy regr_count regr_intercept regr_r2
    regr_slope repeat replace reverse right round round_even row row_number rpad rtrim second sign skewness
    split split_part sqrt starts_with stddev stddev_pop stddev_samp str_split strftime string_agg string_split
    string_split_regex strip_accents strlen strpos strptime struct_extract struct_insert struct_pack substr
    substring substring_grapheme subtract suffix sum sum_no_overflow sumkahan time_bucket to_days to_hours
    to_microseconds to_milliseconds to_minutes to_months to_quarters to_seconds to_weeks to_years translate trim
    trunc try_strptime ucase unicode unnest upper var_pop var_samp variance week weekday weekofyear year
    yearweek | || ~ ~~ ~~* ~~~
    """.split()  # noqa: SIM905
)
