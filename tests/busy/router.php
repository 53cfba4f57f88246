<?php
// For `php -S`, which has one process and works on one request at a time.

function answer(): string
{
    if (parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH) !== '/work') {
        return "well\n";
    }
    file_put_contents(getenv('BUSY_EXECUTED'), $_GET['id'] . "\n", FILE_APPEND);
    usleep((int) $_GET['ms'] * 1000);
    return $_GET['id'] . "\n";
}

$body = answer();
header('Content-Type: text/plain');
header('Content-Length: ' . strlen($body));
echo $body;
