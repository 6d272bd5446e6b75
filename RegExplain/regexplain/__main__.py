from regexplain.cli import main

main()
