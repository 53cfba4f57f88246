//! What the specifications ask of an intermediary, by section: what is done, what is refused
//! where a choice is given, what is left out; each with the test that holds it.
//!
//! `tests/conformance.rs` sees to it that every test named here exists.
//!
//! # RFC 9112, HTTP/1.1
//!
//! | section | rule | here | test |
//! |---|---|---|---|
//! | 2.2 | a bare CR is invalid; a bare LF may be taken for a line end | a CR is refused; an LF too in a request, in the head of a response it is repaired | `a_bare_lf_or_cr_is_refused`, `what_is_no_http_is_refused_at_its_first_bytes`, `a_bare_lf_ends_a_line_of_a_response_and_a_bare_cr_none` |
//! | 2.2 | an empty line before a request should be passed over | up to 16 are, more are refused | `several_empty_lines_before_a_request_are_passed_over`, `what_is_no_http_is_refused_at_its_first_bytes` |
//! | 2.2 | no white space between the start line and the first field | refused | `a_field_is_a_token_a_colon_and_a_value_on_one_line` |
//! | 2.3 | a message goes on with our own version | HTTP/1.1 both ways | `each_framing_reaches_each_version_in_the_form_that_it_can_read` |
//! | 3 | a request line has three parts and single spaces | all else refused | `a_request_line_has_single_spaces_and_a_version_that_we_speak` |
//! | 3, 4 | a first line that is none, a request of HTTP/0.9 among them | refused, or 502, at its end: nobody waits for the rest of the head | `what_the_first_line_shows_to_be_none_is_refused_as_soon_as_it_ends`, `a_first_line_that_is_none_is_502_without_waiting_for_more` |
//! | 3 | a longer line than we read is 414 (8 KiB by default) | done | `what_is_too_large_has_a_status_of_its_own` |
//! | 3.2 | four forms of a target; one valid `Host` in 1.1, else 400 | done | `a_target_has_one_of_four_forms_and_visible_ascii_only`, `a_host_is_there_once_and_is_a_host` |
//! | 3.2.2 | an absolute target replaces `Host` | done; `Host` may then be empty | `an_absolute_target_decides_the_host_and_reaches_the_backend_in_origin_form` |
//! | 3.2.2 | a target may have any scheme | `http` and `ws`; `https` and `wss` from proxies that are trusted, and passed on in `X-Forwarded-Proto`; others refused | `a_target_of_tls_is_taken_from_a_trusted_proxy_only_and_passed_on`, `a_target_has_one_of_four_forms_and_visible_ascii_only` |
//! | 3.2.3 | `CONNECT` | left out: 501, this is no forward proxy | `a_target_has_one_of_four_forms_and_visible_ascii_only` |
//! | 3.2.4 | `OPTIONS` of a target without path is `*` at the last hop | done | `an_absolute_target_decides_the_host_and_reaches_the_backend_in_origin_form` |
//! | 4 | a status line has a version, three digits, a space | else 502; only the last space may be missing, and a status may go up to 999 | `what_does_not_begin_like_an_answer_is_502`, `an_answer_that_breaks_the_rules_and_has_one_reading_leaves_repaired` |
//! | 4 | a reason phrase may hold bytes beyond ASCII | passed on unchanged | `a_reason_beyond_ascii_passes_byte_for_byte` |
//! | 5.1 | no space before a colon: 400 in requests; in responses to be removed | refused in both | `a_field_is_a_token_a_colon_and_a_value_on_one_line`, `an_answer_with_more_than_one_reading_is_502` |
//! | 5.2 | folded lines: 400, 502, or replaced | refused in both | the same |
//! | 6.1 | an unknown transfer coding: 501; from HTTP/1.0, or beside a length: faulty | 501, 400 and closed | `a_transfer_coding_is_exactly_chunked` |
//! | 6.1 | `Transfer-Encoding` only to who is known to speak HTTP/1.1 | known by configuration: a backend is a server of HTTP/1.1 | `bodies_of_every_framing_arrive_whole` |
//! | 6.3 | the length of a body, eight rules in order | done; with two readings refused | `a_request_is_framed_by_one_rule`, `a_response_is_framed_by_method_status_and_fields` |
//! | 6.3 | a bad length: 400, 502 | done | `a_length_is_said_in_digits_and_only_once_differently`, `an_answer_with_more_than_one_reading_is_502` |
//! | 7 | chunked is parsed without overflow | 1 to 16 digits | `the_largest_size_does_not_wrap` |
//! | 7.1 | CRLF behind a size and behind data | exactly, or refused at the wrong byte; of a backend, blanks behind a size are taken | `a_bad_chunk_ends_the_request_without_a_final_chunk`, `what_two_parsers_could_read_differently_is_refused`, `a_chunk_that_goes_on_behind_its_size_is_refused_at_the_wrong_byte`, `a_chunk_that_goes_on_behind_its_size_ends_the_answer_at_the_wrong_byte`, `a_response_may_fill_its_size_lines_up_with_blanks` |
//! | 7.1.1 | extensions: unknown ones ignored, their amount limited | dropped, 16 KiB a body | `bodies_are_decoded_and_bytes_behind_them_left`, `extensions_and_trailers_are_bounded` |
//! | 7.1.2 | trailers may be passed on or dropped | passed, but for framing, routing and such | `framing_fields_do_not_pass_in_trailers`, `trailers_pass_unless_fields_of_this_hop_may_be_among_them` |
//! | 7.4 | `TE` is for this hop | `trailers` only | `te_keeps_only_trailers_and_never_for_http_1_0` |
//! | 8 | an incomplete message is never passed on as complete | no final chunk, or a reset | `a_cut_or_broken_body_never_looks_whole`, `a_client_of_http_1_0_sees_a_reset_where_a_chunked_body_is_cut`, `a_bad_chunk_ends_the_request_without_a_final_chunk` |
//! | 9.2 | a response without a request is no answer | the connection is given up | `bytes_behind_a_complete_answer_are_never_taken_for_the_next_one`, `a_kept_backend_connection_with_extra_bytes_is_never_used_again`, `a_connection_on_which_content_may_follow_that_no_answer_has_serves_nobody_else` |
//! | 9.3 | persistence by version and option, each hop by itself | done | `a_clients_connection_persists_by_version_and_whole_options`, `a_backends_connection_is_used_again_only_when_it_says_so_and_all_was_read` |
//! | 9.3.1 | only idempotent requests are repeated by themselves | at `--tries` backends | `a_request_visits_each_backend_at_most_once_and_is_sent_to_as_many_as_tries_says`, `what_was_sent_and_died_unanswered_is_repeated_once_if_idempotent`, `what_moves_on_arrives_byte_for_byte_as_it_was_first_sent`, `a_post_on_a_kept_connection_that_dies_unanswered_is_not_sent_again` |
//! | 9.3.2 | pipelined requests are answered in order | done | `pipelined_requests_are_answered_in_order` |
//! | 9.5 | a client that half-closes may still get its answer | done, unless `--abort-on-close` is given | `a_client_that_has_finished_sending_gets_all_its_answers`, `a_half_closed_client_gets_a_late_answer_by_default`, `a_client_that_closes_its_side_ends_what_is_not_answered` |
//! | 9.6 | after `close` nothing more is read; closing in two steps | half-close, bounded drain; in one step only after a small answer to a request without a body that asked for it | `after_an_error_nothing_of_the_pipeline_is_read`, `a_refusal_reaches_a_client_that_goes_on_sending`, `who_asked_for_the_close_is_let_go_at_once_unless_a_late_byte_could_cost_the_answer` |
//! | 11.2 | request smuggling | one reading or none | `tests/refusals.rs`, `tests/differential.rs`, `tests/fuzz` |
//!
//! # RFC 9110, HTTP semantics
//!
//! | section | rule | here | test |
//! |---|---|---|---|
//! | 2.5 | versions | 505 for another major one; 1.2 and above refused | `a_request_line_has_single_spaces_and_a_version_that_we_speak` |
//! | 5.3 | the order of fields of one name is kept | done | `fields_of_both_ends_pass_in_order_and_unchanged` |
//! | 5.4 | a head larger than we read is 4xx | 431 | `what_is_too_large_has_a_status_of_its_own` |
//! | 5.5 | CR, LF, NUL in a value are invalid | refused, with all other controls but HTAB | `a_field_is_a_token_a_colon_and_a_value_on_one_line` |
//! | 5.6.1.2 | empty members of a list: a reasonable number is ignored | 100 members in all, of the lists that end here; then 431, 502 | `a_list_has_no_more_members_than_mistakes_explain`, `a_list_that_ends_here_has_no_more_members_than_mistakes_explain` |
//! | 6.5 | trailers are never merged into the head | never | `trailers_pass_unless_fields_of_this_hop_may_be_among_them` |
//! | 6.6.1 | a missing `Date` is added | done | `each_framing_reaches_each_version_in_the_form_that_it_can_read` |
//! | 7.6.1 | `Connection` and what it names end here | done, but never what routing, framing or we need | `what_connection_names_ends_here_in_any_case_and_every_copy`, `no_nomination_takes_away_routing_framing_or_what_we_add` |
//! | 7.6.1 | a member of `Connection` is a token | what is none means nothing, and ends here with the field | `what_is_no_option_means_nothing` |
//! | 7.6.2 | `Max-Forwards` of `TRACE` and `OPTIONS` | counted down, answered at 0 | `max_forwards_is_counted_down_where_it_has_a_meaning`, `at_zero_we_are_the_last_recipient` |
//! | 7.6.3 | `Via` | added both ways, with the received version; not with `--via off` | `via_tells_the_version_that_came_behind_those_of_earlier_proxies`, `via_has_the_name_that_is_set_or_is_left_as_it_came` |
//! | 7.7 | content and most fields are not changed | never decoded, never normalised | `methods_are_tokens_and_kept_as_they_are`, `fields_of_both_ends_pass_in_order_and_unchanged` |
//! | 7.8 | `Upgrade` needs its option, 1.1 and an offer | done; `h2c` never forwarded | `an_upgrade_counts_only_when_it_is_whole`, `a_switch_to_what_was_not_offered_is_refused`, `a_refused_upgrade_is_an_ordinary_exchange` |
//! | 7.8 | a request with a body may offer a switch, which comes behind all of it, and behind the 100 that is expected | done | `a_request_with_a_body_may_switch_too`, `it_switches_when_the_whole_request_is_sent_and_not_before`, `a_switch_answers_the_expectation_of_a_client_that_waits_to_be_asked`, `a_request_that_never_ends_switches_nothing`, `a_switch_that_comes_to_nothing_does_not_look_like_a_tunnel_that_has_ended` |
//! | 8.6 | no length with 1xx and 204; equal lengths are one | done, and the connection of a backend that announces content there is closed; a list in one field is refused | `answers_without_a_body_have_none_and_the_connection_goes_on`, `a_connection_on_which_content_may_follow_that_no_answer_has_serves_nobody_else`, `a_request_is_framed_by_one_rule` |
//! | 9.1 | methods are case-sensitive; unknown ones pass | done | `methods_are_tokens_and_kept_as_they_are` |
//! | 9.3.2 | an answer to `HEAD` has no body | done | `answers_without_a_body_have_none_and_the_connection_goes_on` |
//! | 9.3.8 | an answer to `TRACE` leaves out secrets | done, where we answer | `a_trace_that_ends_here_shows_the_request_without_its_secrets` |
//! | 10.1.4 | a sender of `TE` names it in `Connection` | done; who does keeps its trailers | `te_keeps_only_trailers_and_never_for_http_1_0`, `trailers_of_a_request_pass_also_when_it_names_te_as_it_has_to` |
//! | 10.1.1 | `Expect: 100-continue` is forwarded, its 100 passed on | once, the body held a second at most | `the_body_is_held_back_until_the_backend_asks_for_it_also_when_it_came_at_once`, `a_final_answer_without_100_ends_the_connection_and_the_body_is_no_request` |
//! | 10.1.1 | another expectation may be 417; none in HTTP/1.0 | done | `a_field_is_a_token_a_colon_and_a_value_on_one_line`, `without_a_body_or_in_http_1_0_nothing_is_expected` |
//! | 11.7 | proxy authentication | left out: the fields pass | `fields_of_both_ends_pass_in_order_and_unchanged` |
//! | 15.2 | 1xx are passed on, to 1.1 only | ten a second on average, 100 at once | `many_interim_answers_pass_and_an_endless_row_is_502`, `any_number_passes_at_the_allowed_rate`, `interim_responses_go_to_a_client_that_knows_them` |
//! | 15.2.2 | a 101 that nobody asked for | 502 | `a_switch_to_what_was_not_offered_is_refused` |
//! | 15.6.3 | a bad answer is 502 | done | `tests/answers.rs` |
//!
//! # Others
//!
//! | source | rule | here | test |
//! |---|---|---|---|
//! | RFC 2518 §10.1 | 102 says that an answer takes longer | each gives the backend `--response-timeout` again | `a_backend_that_says_it_is_still_at_work_gets_more_time_and_no_other_word_gives_it` |
//! | RFC 3986 §3.2.2 | the grammar of a host | done; `IPvFuture` and zones are refused, nobody routes by them, and more than 1 KiB | `hosts_of_the_grammar_pass`, `everything_else_is_refused` |
//! | RFC 4559 §6 | Negotiate, and NTLM like it, authenticates a connection | that backend connection is its client's alone | `an_authenticated_connection_carries_its_clients_requests_and_no_others`, `it_is_closed_when_its_client_leaves`, `credentials_that_were_not_asked_for_make_a_connection_private_too` |
//! | RFC 5842 §7.2 | 508 for a request that loops | of our own checks | `a_balancer_that_is_its_own_backend_finds_out_by_any_name`, `a_request_with_a_token_that_is_none_of_ours_is_an_ordinary_one` |
//! | RFC 6761 §6.3 | `localhost` is this machine | also where no resolver knows it | `an_address_and_this_machine_need_no_resolver` |
//! | RFC 6874 §1 | the zone of an address is not sent | stripped from `Host` | `a_zone_belongs_to_an_address_here_and_to_no_host_field` |
//! | RFC 6455 | WebSocket is a tunnel after 101, half-closes kept | done | `bytes_pass_both_ways_beginning_with_those_right_behind_the_heads`, `a_half_closed_tunnel_goes_on_the_other_way` |
//! | RFC 9293 §3.8.4 | keep-alive probes are off unless an application wants them | on, `--tcp-keep-alive` | `a_quiet_tunnel_ends_when_the_backends_host_has_vanished`, `accepted_connections_inherit_the_options` |
//! | RFC 9293 §3.6 | closing says that all was sent; what breaks off is reset | an end in a tunnel is passed on as an end, a reset as a reset | `an_end_in_a_tunnel_is_an_end_on_the_other_side_both_ways`, `a_reset_in_a_tunnel_is_a_reset_on_the_other_side_both_ways` |
//! | RFC 7239 | `Forwarded` | with `--add-forwarded` | `what_a_client_says_of_itself_counts_only_from_a_trusted_proxy` |
//! | RFC 8297 | 103 Early Hints | passed on | `interim_responses_go_to_a_client_that_knows_them` |
//! | RFC 9209 | `Proxy-Status` | left out: the text of our own answers and the log say why | – |
//! | CVE-2022-31813 | `Connection: X-Forwarded-For` | takes nothing away | `no_nomination_takes_away_routing_framing_or_what_we_add` |
//! | CGI, RFC 3875 §4.1.18 | names of fields become variables, in which `-` and `_` are the same | `X_Forwarded_For` and its like end here where we set `X-Forwarded-For`; `Content_Length` and `Transfer_Encoding` always | `a_field_that_a_server_would_take_for_one_of_ours_ends_here` |
//! | CVE-2023-40225 | an empty second `Content-Length` | refused | `a_length_is_said_in_digits_and_only_once_differently` |
//! | CVE-2023-39326 | endless chunk extensions | bounded | `extensions_and_trailers_are_bounded` |
